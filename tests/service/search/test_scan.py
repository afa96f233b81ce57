"""Exact search is exact, and the same for any threads, batches, blocks, shards and precisions."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attridex.indexer.index.vectors import VectorFile, unit_rows, write_vectors
from attridex.service.caller import never_cancelled
from attridex.service.errors import CancelledError
from attridex.service.search import candidates, scan
from attridex.service.search.scan import Hits, Part, Scanner

N, D = 700, 24


def parts(directory: Path, vectors: np.ndarray[Any, Any], rows: int, precision: str) -> list[Part]:
    found = []
    for start in range(0, len(vectors), rows):
        units, norms = unit_rows(vectors[start : start + rows])
        path = directory / f"{precision}-{rows}-{start}.faiss"
        write_vectors(path, units, precision)
        found.append(Part(VectorFile(path), norms, start))
    return found


def data() -> np.ndarray[Any, Any]:
    """Vectors with exact duplicates, near ties, zero rows and norms over eight orders of magnitude."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(N, D)) * 10.0 ** rng.uniform(-4, 4, size=(N, 1))
    vectors[100:140] = vectors[7]
    vectors[200:240] = vectors[9] * (1 + 1e-7 * rng.normal(size=(40, 1)))
    vectors[300:305] = 0
    return vectors.astype(np.float32)


def names(rows: np.ndarray[Any, Any]) -> list[str]:
    return [f"id-{(int(row) * 7919) % N:04d}" for row in rows]


def plain(found: list[Part], query: np.ndarray[Any, Any], k: int, mask: np.ndarray[Any, Any] | None) -> list[tuple[int, float]]:
    """The slow way: every row in float64."""
    scored = []
    for part in found:
        rows = part.vectors.block(0, part.vectors.rows).astype(np.float64)
        for local in range(len(rows)):
            score = float((rows[local] * query).sum() * np.float64(part.norms[local]))
            scored.append((part.offset + local, score))
    scored = [(row, score) for row, score in scored if mask is None or mask[row]]
    ids = names(np.arange(N))
    return sorted(scored, key=lambda hit: (-hit[1], ids[hit[0]]))[:k]


def pairs(hits: Hits) -> list[tuple[int, float]]:
    return list(zip(hits.rows.tolist(), hits.scores.tolist(), strict=True))


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("k", [1, 10, 130, N])
def test_the_k_best_are_those_of_the_plain_loop_in_its_order(precision: str, k: int, tmp_path: Path) -> None:
    vectors = data()
    queries = np.concatenate([np.random.default_rng(1).normal(size=(3, D)), vectors[[7, 9]].astype(np.float64), np.zeros((1, D))])
    mask = np.random.default_rng(2).random(N) < 0.5
    found = parts(tmp_path, vectors, 256, precision)
    for chosen in (None, mask):
        expected = [plain(found, query, k, chosen) for query in queries]
        scanner = Scanner(2)
        hits = scanner.top(found, queries, k, names, never_cancelled, mask=chosen)
        assert [pairs(each) for each in hits] == expected
        scanner.close()


def test_threads_batches_blocks_and_shards_change_no_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, queries = data(), np.random.default_rng(1).normal(size=(5, D))
    answers = []
    for threads, rows, block in ((1, N, 8 << 20), (2, 100, 6400), (3, 17, 8 << 20), (2, 1, 8 << 20)):
        monkeypatch.setattr(scan, "BLOCK_BYTES", block)
        found, scanner = parts(tmp_path, vectors, rows, "float32"), Scanner(threads)
        together = scanner.top(found, queries, 50, names, never_cancelled)
        alone = [scanner.top(found, query[None], 50, names, never_cancelled)[0] for query in queries]
        assert [pairs(each) for each in together] == [pairs(each) for each in alone]
        answers.append([pairs(each) for each in together])
        scanner.close()
    assert all(answer == answers[0] for answer in answers)


def test_ascending_gives_the_lowest_scores(tmp_path: Path) -> None:
    found, scanner = parts(tmp_path, data(), 256, "float32"), Scanner(1)
    query = np.random.default_rng(1).normal(size=(1, D))
    lowest = scanner.top(found, query, 20, names, never_cancelled, ascending=True)[0]
    everything = plain(found, query[0], N, None)
    assert lowest.scores.tolist() == [score for _, score in sorted(everything, key=lambda hit: hit[1])][:20]
    scanner.close()


def test_candidates_are_pruned_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "PRUNE", 4)
    monkeypatch.setattr(scan, "BLOCK_BYTES", 6400)
    found, scanner = parts(tmp_path, data(), 256, "float32"), Scanner(2)
    query = np.random.default_rng(1).normal(size=(2, D))
    hits = scanner.top(found, query, 10, names, never_cancelled)
    assert [pairs(each) for each in hits] == [plain(found, each, 10, None) for each in query]
    scanner.close()


def test_a_caller_that_goes_away_stops_the_scan(tmp_path: Path) -> None:
    def gone() -> None:
        raise CancelledError("gone")

    scanner = Scanner(2)
    with pytest.raises(CancelledError):
        scanner.top(parts(tmp_path, data(), 256, "float32"), np.ones((1, D)), 5, names, gone)
    scanner.close()


@pytest.mark.parametrize("few", [0.0, 1 / 8, 1.0])
def test_a_float16_shard_read_by_faiss_gives_what_the_plain_loop_gives(
    few: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "NEAREST", 16)
    monkeypatch.setattr(scan, "FEW", few)
    vectors, scanner = data(), Scanner(2)
    found = parts(tmp_path, vectors, 256, "float16")
    alike = [Part(part.vectors, np.ones_like(part.norms), part.offset) for part in found]
    queries = [*np.random.default_rng(1).normal(size=(20, D)), vectors[7].astype(np.float64), np.zeros(D)]
    for query in queries:
        for stored in (found, alike):
            for k in (1, 8):
                hits = scanner.top(stored, query[None], k, names, never_cancelled)
                assert pairs(hits[0]) == plain(stored, query, k, None)
    scanner.close()


def test_widened_bits_are_the_stored_numbers(tmp_path: Path) -> None:
    values = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    values = values[np.isfinite(values)].reshape(-1, 2).astype(np.float32)
    write_vectors(tmp_path / "all.faiss", values, "float16")
    stored = VectorFile(tmp_path / "all.faiss")
    assert np.array_equal(stored.widened(slice(None)).astype(np.float64) / stored.unit, values.astype(np.float64))
