"""Stored vectors that stay on the disk: each question reads the rows that it wants, block by block, checked as they come."""

import struct
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from attridex.indexer.errors import DamageError
from attridex.indexer.held.files import HeldFile
from attridex.indexer.held.sums import BLOCK
from attridex.indexer.index.vectors import Rows, Vectors, flat_index

KINDS = {b"IxFI": "float32", b"IxSQ": "float16"}
"""Precisions by the letters with which FAISS's files of flat indices begin."""
DIM, ROWS, SIZE = struct.Struct("<i"), struct.Struct("<q"), struct.Struct("<Q")
"""How such a file says its dimensions, its rows, and right before its codes, which end it, how many of them there are."""


class PagedVectors(Vectors):
    """A shard's vectors on the disk; threads may share it."""

    def __init__(self, file: HeldFile) -> None:
        """Read its head.

        Raises:
            DamageError: it is not a flat index of float32 or float16 vectors, of the size that it says.
        """
        self._file = file
        with file.stream() as stream:
            letters, said, rows = stream.read(4), stream.read(DIM.size), stream.read(ROWS.size)
        if letters not in KINDS or len(rows) < ROWS.size:
            raise DamageError(f"{file.path}: not a flat index of float32 or float16 vectors")
        (self.dim,), (self.rows,) = DIM.unpack(said), ROWS.unpack(rows)
        self.dtype = np.dtype(KINDS[letters])
        self._width = self.dim * self.dtype.itemsize
        self._offset = file.written.size - self.rows * self._width
        if min(self.dim - 1, self.rows, self._offset) < 0 or self._head() != self._expected_head():
            raise DamageError(f"{file.path}: damaged, it holds other than {self.rows} rows of {self.dim} elements")

    def _head(self) -> bytes:
        """What stands before the codes; FAISS writes less than a block of it."""
        with self._file.stream() as stream:
            return stream.read(min(self._offset, BLOCK))

    def _expected_head(self) -> bytes:
        """The same, as FAISS writes it."""
        head = bytearray(faiss.serialize_index(flat_index(self.dim, self.precision)))
        numbers = self.rows * self.dim if self.dtype == np.float32 else self.rows * self._width
        ROWS.pack_into(head, 4 + DIM.size, self.rows)
        SIZE.pack_into(head, len(head) - SIZE.size, numbers)
        return bytes(head)

    def stored(self, rows: slice | Rows) -> NDArray[Any]:
        """See `Vectors`; a block of the file that several of the rows share is read once.

        Raises:
            DamageError: they are not what was written.
        """
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(self.rows)
            return self._read(start, max(start, stop))
        wanted, place = np.unique(rows, return_inverse=True)
        found = [self._read(int(run[0]), int(run[-1]) + 1)[run - run[0]] for run in self._runs(wanted)]
        return np.concatenate(found)[place] if found else np.zeros((0, self.dim), self.dtype)

    def _runs(self, rows: Rows) -> list[Rows]:
        """Ascending rows in stretches between which lies a block, or more, that none of them needs."""
        first = (self._offset + rows * self._width) // BLOCK
        last = (self._offset + (rows + 1) * self._width - 1) // BLOCK
        runs = np.split(rows, np.flatnonzero(first[1:] > last[:-1] + 1) + 1)
        return [run for run in runs if len(run)]

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        """Rows [start, stop)."""
        begin, end = (self._offset + row * self._width for row in (start, stop))
        found = np.empty(end - begin, np.uint8)
        for number in range(begin // BLOCK, -(-end // BLOCK)) if end > begin else ():
            block = np.frombuffer(self._file.block(number), np.uint8)
            at = number * BLOCK
            low, high = max(begin, at), min(end, at + len(block))
            found[low - begin : high - begin] = block[low - at : high - at]
        return found.view(self.dtype).reshape(stop - start, self.dim)
