"""A full disk, and one that is read only: a line, and nothing that is half written counts."""

import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from attridex.indexer.errors import AttridexError
from attridex.indexer.files import publish, replace_file
from attridex.indexer.index.arrays import write_array, write_tensors
from attridex.indexer.index.catalog import NeuronPlaces, writing_catalog
from attridex.indexer.index.vectors import write_faiss, write_vectors


@pytest.fixture
def room() -> Iterator[Callable[[int], None]]:
    """Files may only grow to so many bytes from then on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def catalog(path: Path) -> None:
    with writing_catalog(path, {}, NeuronPlaces(1, 0, 0), 1):
        pass


def flat(path: Path) -> None:
    write_faiss(faiss.IndexFlatL2(8), path)


WRITES: dict[str, Callable[[Path], Any]] = {
    "an array": lambda path: write_array(path, np.ones(1000)),
    "tensors": lambda path: write_tensors(path, {"a": np.ones(1000)}),
    "vectors": lambda path: write_vectors(path, np.ones((10, 100), np.float32), "float32"),
    "halves": lambda path: write_vectors(path, np.ones((10, 100), np.float32), "float16"),
    "a structure": flat,
    "a catalog": catalog,
}


@pytest.mark.parametrize("size", [1, 40, 900])
@pytest.mark.parametrize("what", WRITES)
def test_what_does_not_fit_is_refused_in_a_line_and_is_not_there(
    tmp_path: Path, room: Callable[[int], None], what: str, size: int
) -> None:
    room(size if what != "a structure" else 1)
    with pytest.raises(AttridexError, match=r"made: cannot be written: .+") as refused, publish(tmp_path / "made") as directory:
        WRITES[what](directory / "file.npy")
    assert "\n" not in str(refused.value)
    assert [*tmp_path.iterdir()] == []


def test_a_file_that_cannot_be_replaced_stays_and_leaves_nothing_beside(tmp_path: Path, room: Callable[[int], None]) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    room(10)
    with pytest.raises(AttridexError, match="file: cannot be written: File too large"):
        replace_file(path, bytes(100))
    assert path.read_bytes() == b"before"
    assert [*tmp_path.iterdir()] == [path]
