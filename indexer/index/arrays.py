"""Plain arrays (.npy) and named tensors (.safetensors): norms, predictions, tombstones, factors, curvatures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

Float64 = NDArray[np.float64]


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write an array."""
    np.save(path, array)


def read_array(path: Path) -> NDArray[Any]:
    """Read an array."""
    return np.asarray(np.load(path))


def new_array(path: Path, dtype: type[np.generic], size: int) -> NDArray[Any]:
    """An array of `size` elements on the disk, to be filled in place."""
    if size == 0:  # an empty file cannot be mapped
        np.save(path, np.zeros(0, dtype))
        return np.zeros(0, dtype)
    array: NDArray[Any] = open_memmap(path, "w+", np.dtype(dtype), (size,))
    return array


def mapped_array(path: Path) -> NDArray[Any]:
    """An array whose parts are read when they are looked at; an empty one is loaded."""
    try:
        return np.asanyarray(np.load(path, mmap_mode="r"))
    except ValueError:
        return read_array(path)


def write_tensors(path: Path, tensors: Mapping[str, Float64]) -> None:
    """Write named tensors."""
    save_file(dict(tensors), path)


def read_tensors(path: Path) -> dict[str, Float64]:
    """Read named tensors."""
    return dict(load_file(path))
