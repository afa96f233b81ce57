"""Recall is what a plain loop measures."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from attridex.indexer.approximate.recall import QUERIES, Transform, as_good, exact_best, measure_recall
from attridex.indexer.approximate.structures import Approximate, write_structures
from attridex.indexer.index.layout import GRADIENTS, HIDDEN, shard_dir, shard_name
from attridex.indexer.index.records import ShardEntry
from attridex.indexer.index.shards import Shard, ShardContents, open_shards, write_shard

ROWS, DIM = 3000, 48
KINDS = ("sq8", "rabitq", "ivf")


def stored(index: Path, vectors: np.ndarray) -> list[Shard]:
    """Shards of some gradients."""
    entries = []
    for start in range(0, len(vectors), 700):
        gradients = vectors[start : start + 700]
        shard = shard_dir(index, shard_name(start, start + len(gradients)))
        shard.mkdir(parents=True)
        rows = range(len(gradients))
        vectors_of = {GRADIENTS: gradients, HIDDEN: gradients[:, :2]}
        contents = ShardContents(list(rows), vectors_of, gradients[:, :2], [{"id": f"t{start + row}"} for row in rows])
        write_shard(shard, contents, {}, lambda _dim: "float16")
        entries.append(ShardEntry(name=shard.name, rows=len(gradients), sha256=""))
    return open_shards(index, entries)


@pytest.mark.parametrize("spread", [0.0, 1.5])
def test_recall_is_what_a_plain_loop_measures(tmp_path: Path, spread: float) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(20, DIM))[rng.integers(0, 20, ROWS)] + rng.normal(size=(ROWS, DIM))
    vectors = (vectors * 10 ** rng.uniform(-spread, spread, (ROWS, 1))).astype(np.float32)
    shards = stored(tmp_path, vectors)
    write_structures(tmp_path, shards, KINDS)
    same: Transform = lambda gradients: gradients  # noqa: E731 - a name for nothing to do
    recall = measure_recall(tmp_path, shards, KINDS, {"grad-dot": same, "grad-cos": same})
    assert sorted(recall) == sorted(["ivf/grad-cos", *(f"{k}/{m}" for k in ("sq8", "rabitq") for m in ("grad-cos", "grad-dot"))])
    assert min(recall[f"sq8/{method}"] for method in ("grad-dot", "grad-cos")) > 0.97
    assert recall["rabitq/grad-dot"] > 0.9
    asked = np.unique(np.linspace(0, ROWS - 1, QUERIES).astype(np.int64))
    structure = Approximate(tmp_path, "rabitq")
    shares = []
    with ThreadPoolExecutor(3) as pool:
        for row in asked:
            scores = vectors.astype(np.float64) @ vectors[row]
            scores[row] = -np.inf
            best = np.argsort(-scores)[:10]
            query = (vectors[row] / np.linalg.norm(vectors[row])).astype(np.float32)
            found = structure.candidates(query, 440, weighted=True, pool=pool, threads=3)
            shares.append(np.isin(best, found).mean())
    assert recall["rabitq/grad-dot"] == pytest.approx(np.mean(shares), abs=0.02)


def test_the_best_rows_are_those_of_a_plain_product_but_for_the_query_itself(tmp_path: Path) -> None:
    vectors = np.random.default_rng(1).normal(size=(900, 8)).astype(np.float32)
    shards = stored(tmp_path, vectors)
    norms = np.concatenate([shard.norms() for shard in shards])
    asked = np.array([0, 699, 700, 899])
    units = np.concatenate([shard.vectors("gradients.faiss").block(0, shard.rows) for shard in shards])
    for weights in (norms, np.ones_like(norms)):
        scores = (units @ units[asked].T) * weights[:, None]
        scores[asked, range(len(asked))] = -np.inf
        for number, best in enumerate(exact_best(shards, units[asked], weights, asked)):
            assert best.tolist() == np.argsort(-scores[:, number], kind="stable")[:10].tolist()


def test_rows_that_score_alike_are_as_good_as_each_other(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    copies = np.repeat(rng.normal(size=(60, DIM)), 40, axis=0)
    shards = stored(
        tmp_path, (copies * (1 + 1e-7 * rng.normal(size=copies.shape))).astype(np.float32)[rng.permutation(len(copies))]
    )
    write_structures(tmp_path, shards, ["sq8"])
    recall = measure_recall(tmp_path, shards, ["sq8"], {"grad-dot": lambda gradients: gradients})
    assert recall == {"sq8/grad-dot": 1.0}


@pytest.mark.parametrize(
    ("scores", "count"), [([3.0, 2.0], 2), (range(20, 0, -1), 10), ([5.0] * 9 + [4.0] * 5 + [3.0], 14), ([], 0)]
)
def test_what_is_as_good_as_the_tenth_best(scores: Sequence[float], count: int) -> None:
    assert as_good(np.array(scores, np.float32)) == count
