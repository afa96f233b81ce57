"""Stored vectors come back as they were written, as blocks, rows and products."""

from pathlib import Path

import faiss
import numpy as np
import pytest

from attridex.indexer.errors import DamageError
from attridex.indexer.index.vectors import FLOAT32_LIMIT, VectorFile, resolve_precision, unit_rows, write_vectors


def rows(count: int, dim: int = 9) -> np.ndarray:
    return np.random.default_rng(count).normal(size=(count, dim)).astype(np.float32)


@pytest.mark.parametrize("count", [0, 1, 33])
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_what_is_written_is_read(tmp_path: Path, precision: str, count: int) -> None:
    vectors = rows(count)
    write_vectors(tmp_path / "v.faiss", vectors, precision)
    stored = VectorFile(tmp_path / "v.faiss")
    expected = vectors.astype(precision).astype(np.float32)
    assert (stored.rows, stored.dim, stored.codes.dtype) == (count, 9, np.dtype(precision))
    np.testing.assert_array_equal(stored.block(0, count), expected)
    np.testing.assert_array_equal(stored.widened(slice(0, count)) / stored.unit, expected)
    some = np.arange(count)[::-2]
    np.testing.assert_array_equal(stored.take(some), expected[some])
    np.testing.assert_array_equal(stored.widened(some) / stored.unit, expected[some])


def test_products_are_those_of_a_plain_loop(tmp_path: Path) -> None:
    vectors, query = rows(40), rows(1)[0]
    write_vectors(tmp_path / "v.faiss", vectors, "float32")
    stored = VectorFile(tmp_path / "v.faiss")
    plain = vectors.astype(np.float64) @ query
    np.testing.assert_allclose(stored.products(query, 5, 30), plain[5:30], rtol=1e-5, atol=1e-6)  # sums of nine float32
    products, found = stored.nearest(query, 7)
    assert found.tolist() == np.argsort(-plain)[:7].tolist()
    np.testing.assert_allclose(products, plain[found], rtol=1e-5, atol=1e-6)


def test_unit_rows_and_norms_make_up_the_vectors() -> None:
    vectors = rows(20) * np.float32(1e-15)
    vectors[3] = 0
    units, norms = unit_rows(vectors)
    np.testing.assert_allclose(units * norms[:, None], vectors, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(np.delete(units, 3, 0), axis=1), 1, rtol=1e-6)
    assert norms[3] == 0
    assert not units[3].any()


def test_precision_is_what_is_asked_for_or_fits() -> None:
    dim = 1024
    most = FLOAT32_LIMIT // (4 * dim)
    assert [resolve_precision("auto", count, dim) for count in (1, most, most + 1)] == ["float32", "float32", "float16"]
    assert resolve_precision("float16", 1, 1) == "float16"


def test_what_is_no_file_of_vectors_is_damage(tmp_path: Path) -> None:
    (tmp_path / "v.faiss").write_bytes(b"nothing")
    with pytest.raises(DamageError, match="FAISS cannot read it"):
        VectorFile(tmp_path / "v.faiss")
    faiss.write_index(faiss.IndexHNSWFlat(4, 4), str(tmp_path / "v.faiss"))
    with pytest.raises(DamageError, match="not a flat index"):
        VectorFile(tmp_path / "v.faiss")


def test_rows_outlive_the_file_that_they_were_read_from(tmp_path: Path) -> None:
    vectors = rows(2000, 64)
    write_vectors(tmp_path / "v.faiss", vectors, "float32")
    block = VectorFile(tmp_path / "v.faiss").block(0, 2000)
    others = [VectorFile(tmp_path / "v.faiss").rows for _ in range(5)]
    assert others == [2000] * 5
    np.testing.assert_array_equal(block, vectors)
    assert not block.flags.writeable
