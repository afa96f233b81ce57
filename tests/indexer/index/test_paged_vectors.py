"""Vectors that stay on the disk give what those in memory give, to the bit, and nothing else once their file is another."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from attridex.indexer.errors import DamageError
from attridex.indexer.held.files import HeldFile, Written
from attridex.indexer.held.sums import BLOCK, file_checksums, sums_text
from attridex.indexer.index.paged_vectors import PagedVectors
from attridex.indexer.index.vectors import VectorFile, write_vectors

DIM = 200


def held(path: Path) -> HeldFile:
    found = file_checksums(path)
    return HeldFile(path, Written(path.stat().st_size, found.sha256, sums_text(found.blocks)))


@pytest.mark.parametrize("count", [0, 1, 1700])
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_blocks_rows_and_products_are_those_of_the_file_in_memory(tmp_path: Path, precision: str, count: int) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "v.faiss"
    write_vectors(path, rng.normal(size=(count, DIM)).astype(np.float32), precision)
    whole, paged = VectorFile(path), PagedVectors(held(path))
    assert (paged.rows, paged.dim, paged.precision, paged.unit) == (count, DIM, precision, whole.unit)
    slices = [(0, count), (count // 3, count // 2), (count // 2, count // 2)]
    few = rng.integers(0, count, 40) if count else np.zeros(0, np.int64)
    gathers = [few, np.sort(few), np.array([0, count - 1, 0][: 3 * min(count, 1)], np.int64)]
    for start, stop in slices:
        np.testing.assert_array_equal(paged.block(start, stop), whole.block(start, stop))
        np.testing.assert_array_equal(paged.widened(slice(start, stop)), whole.widened(slice(start, stop)))
    for rows in gathers:
        np.testing.assert_array_equal(paged.take(rows), whole.take(rows))
    if precision == "float32":
        query = rng.normal(size=DIM).astype(np.float32)
        np.testing.assert_array_equal(paged.products(query, 0, count), whole.products(query, 0, count))


def test_rows_far_apart_cost_their_own_blocks_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_vectors(tmp_path / "v.faiss", np.ones((4000, DIM), np.float32), "float32")
    paged, read, block = PagedVectors(held(tmp_path / "v.faiss")), list[int](), HeldFile.block
    monkeypatch.setattr(HeldFile, "block", lambda self, number: (read.append(number), block(self, number))[1])
    paged.take(np.array([3900, 0, 2, 3900]))
    assert read == [0, (3900 * DIM * 4) // BLOCK]


@pytest.mark.parametrize(
    "change",
    [
        lambda content: b"IxHN" + content[4:],
        lambda content: content[:4] + (7).to_bytes(4, "little") + content[8:],
        lambda content: content[:8] + (1 << 60).to_bytes(8, "little") + content[16:],
        lambda content: content[:8] + (-1).to_bytes(8, "little", signed=True) + content[16:],
        lambda content: content[:40],
    ],
    ids=["another kind", "other dimensions", "more rows than bytes", "a negative number of rows", "a cut head"],
)
def test_a_head_that_does_not_fit_is_damage(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "v.faiss"
    write_vectors(path, np.ones((30, DIM), np.float32), "float16")
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DamageError, match=r"v\.faiss: (not a flat index|damaged)"):
        PagedVectors(held(path))


def test_what_is_written_over_underneath_is_damage_and_never_other_numbers(tmp_path: Path) -> None:
    path = tmp_path / "v.faiss"
    write_vectors(path, np.ones((1000, DIM), np.float32), "float32")
    paged = PagedVectors(held(path))
    with path.open("r+b") as stream:
        stream.seek(path.stat().st_size - 4)
        stream.write(b"\0\0\0\0")
    assert paged.block(0, 1).all()
    with pytest.raises(DamageError, match="damaged while it is read"):
        paged.block(999, 1000)
