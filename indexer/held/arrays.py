"""Arrays of held files of which parts are read when they are looked at: checked blocks, kept in a bounded cache."""

import io
import math
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from attridex.indexer.errors import DamageError
from attridex.indexer.held.files import HeldFile
from attridex.indexer.held.sums import BLOCK

CACHED = 64 << 20
"""Bytes of the blocks that are kept of an array."""


NUMBERS = "biuf"
"""Kinds of elements that an array of an index may have: no objects, which would be code, and nothing of any size."""


class Header(NamedTuple):
    """What the header of a .npy file says: shape and type of the elements, and where they begin."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int


class Layout(NamedTuple):
    """Where the elements of a one-dimensional .npy file lie."""

    dtype: np.dtype[Any]
    size: int
    offset: int


class PagedArray:
    """A one-dimensional array of a held file; `[start:stop]` and `[i]` give parts of it."""

    def __init__(self, file: HeldFile) -> None:
        """Read its header.

        Raises:
            DamageError: it is not one dimension of plain numbers, or not of the size that it says.
        """
        self._file, self._lock = file, threading.Lock()
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self.dtype, self._size, self._offset = layout_of(file)

    def __len__(self) -> int:
        """Elements."""
        return self._size

    def __getitem__(self, part: Any) -> Any:
        """Elements of a slice without a step, or one element.

        Raises:
            DamageError: they are not what was written.
        """
        if not isinstance(part, slice):
            at = range(self._size)[part]
            return self._part(at, at + 1)[0]
        start, stop, step = part.indices(self._size)
        if step != 1:
            raise IndexError("an array on the disk is read without a step")
        return self._part(start, max(start, stop))

    def _part(self, start: int, stop: int) -> NDArray[Any]:
        first, last = (self._offset + at * self.dtype.itemsize for at in (start, stop))
        found = []
        for number in range(first // BLOCK, -(-last // BLOCK)):
            block = self._block(number)
            inside = max(first - number * BLOCK, 0)
            count = (min(last - number * BLOCK, len(block)) - inside) // self.dtype.itemsize
            found.append(np.frombuffer(block, self.dtype, count, inside))
        if len(found) == 1:
            return found[0]
        return np.concatenate(found) if found else np.zeros(0, self.dtype)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """All of it, in memory."""
        return np.asarray(self._part(0, self._size), dtype)

    def _block(self, number: int) -> bytes:
        """A block of the file; it was checked when it was read."""
        with self._lock:
            if number in self._blocks:
                self._blocks.move_to_end(number)
                return self._blocks[number]
        block = self._file.block(number)
        with self._lock:
            self._blocks[number] = block
            while len(self._blocks) > CACHED // BLOCK:
                self._blocks.popitem(last=False)
        return block


def layout_of(file: HeldFile) -> Layout:
    """Where the elements of a one-dimensional .npy file lie.

    Raises:
        DamageError: it is none, or not of the size that it says.
    """
    shape, dtype, offset = header_of(file.stream(), file.written.size, file.path)
    if len(shape) != 1 or BLOCK % dtype.itemsize or offset % dtype.itemsize:
        raise DamageError(f"{file.path}: not one dimension of plain numbers")
    return Layout(dtype, shape[0], offset)


def header_of(stream: "io.BufferedReader", size: int, where: Path) -> Header:
    """The header of a .npy file, which a file's size bounds: what it says is no reason to have more memory.

    Args:
        stream: at its beginning; behind the header afterwards.
        size: of the file.
        where: names it in errors.

    Raises:
        DamageError: it is no array of plain numbers, or not of the size that it says.
    """
    try:
        version = npy.read_magic(stream)
        shape, _, dtype = npy.read_array_header_1_0(stream) if version == (1, 0) else npy.read_array_header_2_0(stream)
    except DamageError:
        raise
    except Exception:  # a header is read as a literal of Python, which fails in many ways
        raise DamageError(f"{where}: not an array") from None
    offset = stream.tell()
    if dtype.kind not in NUMBERS or min(shape, default=0) < 0 or offset + math.prod(shape) * dtype.itemsize != size:
        raise DamageError(f"{where}: not an array of plain numbers, or not of the size that it says")
    return Header(shape, dtype, offset)


def mapped(file: HeldFile) -> NDArray[Any]:
    """The array of a held file, mapped; see `HeldFile.map`."""
    layout = layout_of(file)
    return np.frombuffer(file.map(), layout.dtype, layout.size, layout.offset)
