"""The stored vectors of shards, read into this process kind by kind."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from attridex.indexer.errors import DamageError
from attridex.indexer.index.layout import ACTIVATIONS, ATTRIBUTIONS, GRADIENTS, HIDDEN, NORMS, TRACIN, TRACIN_NORMS
from attridex.indexer.index.vectors import Part
from attridex.service.storage.far import Kind, Vectors
from attridex.service.storage.held_shards import ServedShard


class Files(NamedTuple):
    """Where a kind of vector is stored: rows of length 1, and their norms; without these each counts as 1."""

    vectors: str
    norms: str | None = None


FILES: Mapping[Kind, Files] = {
    "gradients": Files(GRADIENTS, NORMS),
    "unit_gradients": Files(GRADIENTS),
    "hidden": Files(HIDDEN),
    "activations": Files(ACTIVATIONS),
    "attributions": Files(ATTRIBUTIONS),
    "tracin": Files(TRACIN, TRACIN_NORMS),
}


class ShardVectors(Vectors):
    """The vectors of some shards that follow each other; each kind is read when it is first asked for.

    Attributes:
        kept: files of the kinds that are kept in memory, all where None; the others are read from the disk at each question.
    """

    def __init__(self, shards: Sequence[ServedShard], place: object, kept: frozenset[str] | None = None) -> None:
        """Nothing is read yet; `place` is what they are called in errors."""
        self._shards, self._place, self.kept = shards, place, kept
        self._read: dict[Kind, list[Part]] = {}

    @property
    def rows(self) -> int:
        """How many rows have norms, whose files' sizes are known."""
        return sum(len(shard.norms()) for shard in self._shards)

    def of(self, kind: Kind) -> list[Part]:
        """Those of a kind, a part for each shard.

        Raises:
            DamageError: a file is not what was written, or not all of them hold the same.
        """
        if kind not in self._read:
            self._read.setdefault(kind, self._parts(*FILES[kind]))  # two at once may both read it
        return self._read[kind]

    def _parts(self, name: str, norms: str | None) -> list[Part]:
        kept = self.kept is None or name in self.kept
        parts = [shard.part(name, norms) if kept else shard.part_on_disk(name, norms) for shard in self._shards]
        rows = sum(shard.rows for shard in self._shards)
        if {sum(part.vectors.rows for part in parts), sum(len(part.norms) for part in parts)} != {rows}:
            raise DamageError(f"{self._place}: shards and manifest do not hold the same number of instances")
        if len({part.vectors.dim for part in parts}) > 1:
            raise DamageError(f"{self._place}: shards hold vectors of several dimensions")
        return parts

    def close(self) -> None:
        """The shards' files are their owner's."""


def stored_vector(parts: Sequence[Part], row: int) -> NDArray[np.float64]:
    """A stored vector times its norm, in float64 [d]."""
    part = next(part for part in reversed(parts) if part.offset <= row)
    local = row - part.offset
    stored: NDArray[np.float64] = part.vectors.block(local, local + 1)[0].astype(np.float64)
    return stored * float(part.norms[local])
