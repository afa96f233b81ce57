"""Plain arrays (.npy) and named tensors (.safetensors): norms, predictions, tombstones, factors, curvatures."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save_file

from attridex.indexer.errors import DamageError, first_line
from attridex.indexer.held.arrays import PagedArray, header_of, mapped
from attridex.indexer.held.files import Source, content_of, path_of, readable

Float64 = NDArray[np.float64]


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write an array."""
    np.save(path, array)


def read_array(source: Source) -> NDArray[Any]:
    """Read an array of plain numbers.

    Raises:
        DamageError: it is none, or not of the size that it says.
    """
    check_array(source)
    return np.asarray(np.load(readable(source)))


def check_array(source: Source) -> None:
    """Go on only with an array of plain numbers, which has the size that it says; see `read_array`."""
    if isinstance(source, Path):
        with source.open("rb") as stream:
            header_of(stream, os.fstat(stream.fileno()).st_size, source)
    else:
        header_of(source.stream(), source.written.size, source.path)


def new_array(path: Path, dtype: type[np.generic], size: int) -> NDArray[Any]:
    """An array of `size` elements on the disk, to be filled in place."""
    if size == 0:  # an empty file cannot be mapped
        np.save(path, np.zeros(0, dtype))
        return np.zeros(0, dtype)
    array: NDArray[Any] = open_memmap(path, "w+", np.dtype(dtype), (size,))
    return array


def paged_array(source: Source) -> NDArray[Any] | PagedArray:
    """An array whose parts are read when they are looked at; an empty one is loaded.

    Of a held file each part is checked as it is read, unless the file may be mapped; by its path it is mapped.
    """
    if not isinstance(source, Path):
        return mapped(source) if source.mapped else PagedArray(source)
    try:
        found: NDArray[Any] = np.load(source, mmap_mode="r")
        return found
    except ValueError:
        return read_array(source)


def write_tensors(path: Path, tensors: Mapping[str, Float64]) -> None:
    """Write named tensors."""
    save_file(dict(tensors), path)


def read_tensors(source: Source) -> dict[str, Float64]:
    """Read named tensors.

    Raises:
        DamageError: the file is none of tensors; its size bounds what it says.
    """
    try:
        return dict(load(content_of(source)))
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DamageError(f"{path_of(source)}: damaged, no tensors can be read from it ({first_line(error)})") from None
