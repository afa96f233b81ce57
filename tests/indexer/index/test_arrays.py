"""Arrays and tensors come back as they were written."""

from pathlib import Path

import numpy as np
import pytest

from attridex.indexer.index.arrays import new_array, paged_array, read_array, read_tensors, write_array, write_tensors


@pytest.mark.parametrize("shape", [(0,), (5,), (3, 4)])
@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_an_array_is_read_as_written(tmp_path: Path, shape: tuple[int, ...], dtype: type[np.generic]) -> None:
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    write_array(tmp_path / "a.npy", array)
    for read in (read_array, paged_array):
        found = read(tmp_path / "a.npy")
        np.testing.assert_array_equal(found, array)
        assert found.dtype == dtype


@pytest.mark.parametrize("size", [0, 7])
def test_an_array_that_is_filled_in_place_is_the_one_written_at_once(tmp_path: Path, size: int) -> None:
    array = new_array(tmp_path / "filled.npy", np.int32, size)
    array[:] = np.arange(size)
    del array
    write_array(tmp_path / "whole.npy", np.arange(size, dtype=np.int32))
    assert (tmp_path / "filled.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


def test_tensors_are_read_as_written(tmp_path: Path) -> None:
    tensors = {"0.a": np.eye(3), "1.values": np.zeros((0, 2)), "x": np.array([1.5])}
    write_tensors(tmp_path / "t.safetensors", tensors)
    found = read_tensors(tmp_path / "t.safetensors")
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(found[name], tensor)
