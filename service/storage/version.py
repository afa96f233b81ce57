"""One version of an index, open for reading."""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from attridex.indexer.approximate.structures import Approximate
from attridex.indexer.curvature.spectrum import Spectrum
from attridex.indexer.errors import DamageError
from attridex.indexer.index.arrays import Float64, read_array, read_tensors
from attridex.indexer.index.catalog import Catalog, quoted
from attridex.indexer.index.deletes import Log
from attridex.indexer.index.directory import read_deletes
from attridex.indexer.index.layout import (
    CATALOG,
    CURVATURE,
    HIDDEN_NORMS,
    ROW,
    TOMBSTONES,
)
from attridex.indexer.index.lexical import Lexical
from attridex.indexer.index.postings import InstanceNeurons, NeuronInstances, read_instance_neurons, read_neuron_instances
from attridex.indexer.lifecycle.liveness import hidden_in, under_log
from attridex.indexer.lifecycle.staleness import counted_rows, stale_of
from attridex.service.errors import DamagedIndexError, UnknownInstanceError
from attridex.service.storage.far import Far, Spread, Stored, Vectors
from attridex.service.storage.held import HeldVersion
from attridex.service.storage.held_shards import How
from attridex.service.storage.memory import VECTORS, Kept, Memory, catalog_bytes, kept_within
from attridex.service.storage.shard_vectors import ShardVectors, stored_vector
from attridex.service.storage.shared import Shared

Rows = NDArray[np.int64]
SAMPLE = 3
"""Ids that are named where one is not known."""


class IndexVersion:
    """One version of an index, open for reading.

    Attributes:
        number: the version's directory.
        manifest: how it was made, and what is deleted now; its version's name says both.
        rows: number of instances n, deleted ones counted.
        live: number of instances that are not deleted.
        alive: False for deleted rows [n].
        seq: entries of the log of deletes that were applied.
        stale: what was taken of other rows than those that are live, as `STATISTICS` names it.
        counted: rows that the curvature was taken of.
        ids: instance ids in row order.
    """

    def __init__(
        self,
        index: Path,
        number: str,
        *,
        verify: bool,
        mapped: bool = False,
        light: bool = False,
        seq: int | None = None,
        beside: "IndexVersion | None" = None,
        spread: Spread | None = None,
        memory: Memory | None = None,
    ) -> None:
        """Open a version.

        Args:
            index: its directory.
            number: the version.
            verify: read every file now and compare its hash; else what is read is compared when it is read.
            mapped: map posting lists, which is faster and sees what changes underneath unchecked.
            light: read no vectors before they are asked for.
            seq: entries of the log of deletes that count; all of them where None.
            beside: a version that is open, with which it shares the shards that both have.
            spread: opens its vectors elsewhere; they are verified and read there.
            memory: that it may have; as much as it takes where None. One whose room is not known yet reads no vectors.

        Raises:
            DamagedIndexError: a file is missing or not what was written.
            InputError: there is too little memory for it.
            ShardsError: vectors that lie elsewhere are out of reach.
        """
        self._index, self.number, self.seq = index, number, 0
        self._spectra: dict[str, Spectrum] = {}
        self._structures: dict[str, Approximate] = {}
        self._kept = Kept() if memory else None
        try:
            with ExitStack() as opening:
                log = read_deletes(index)
                how = How(verify, mapped)
                shards_how = how if spread is None else How(False, mapped)
                held = HeldVersion(index, number, how, shards_how, beside._held if beside else None)
                self._held: HeldVersion = opening.enter_context(closing(held))
                self.manifest, self._directory, self._shards = held.manifest, held.directory, held.shards
                if spread is None:
                    self._vectors: Vectors = ShardVectors(held.shards, held.directory.path, frozenset() if memory else None)
                else:
                    self._vectors = spread.open(index, held.manifest, held.sha256, light=light)
                opening.enter_context(closing(self._vectors))
                bound = catalog_bytes(self.manifest.instances) if memory else None
                self._catalog = opening.enter_context(closing(Catalog(self._directory / CATALOG, bound)))
                self._read(log.until(seq) if log and seq is not None else log)
                if memory and memory.room is not None and not light:
                    self.keep_within(memory, beside)
                elif memory is None and not light:
                    _ = self.gradients
                self._shared = Shared(opening.pop_all())
        except (DamageError, OSError) as error:
            raise DamagedIndexError(str(error).splitlines()[0]) from error

    def _read(self, log: Log | None) -> None:
        """What is in memory from the beginning."""
        self.rows = self.manifest.instances
        # The shards' files, whose sizes are known, bound the others: a few bytes of a catalog may say that they are many rows.
        self._check_rows(self._vectors.rows, self._catalog.rows)
        self._check_columns()
        self.ids = self._catalog.ids()
        self._hide(log)

    def keep_within(self, memory: Memory, beside: "IndexVersion | None" = None) -> None:
        """Keep of vectors and structures in memory what fits, and read the rest from the disk; see `kept_within`."""
        held = [shard.held for shard in beside._shards] if beside and beside._kept and beside._kept.vectors else []
        own = self._vectors if isinstance(self._vectors, ShardVectors) else None
        self._kept = kept_within(memory, self._held, held, VECTORS if own else ())
        if own:
            own.kept = self._kept.vectors
        _ = self.gradients

    def _in_memory(self, name: str) -> bool:
        """Whether a kind of vector is kept in memory."""
        return self._kept is None or name in self._kept.vectors

    @property
    def places(self) -> str:
        """Which vectors and structures lie where, in words."""
        kinds = [name.removesuffix(".faiss") for name in VECTORS if name in self._shards[0].held.directory.files]
        kept = [name for name in kinds if self._in_memory(f"{name}.faiss")]
        structures = filter(self.has_room, self.manifest.config.index.approximate)
        left = [name for name in kinds if name not in kept]
        return f"in memory: {', '.join([*kept, *structures]) or 'nothing'}; on the disk: {', '.join(left) or 'nothing'}"

    def has_room(self, structure: str) -> bool:
        """Whether a structure for approximate search may be in memory."""
        return self._kept is None or structure in self._kept.structures

    @property
    def sha256(self) -> str:
        """Of its manifest."""
        return self._held.sha256

    def look(self) -> str:
        """What is wrong with its files on the disk, if anything."""
        return self._held.look()

    def under(self, log: Log | None) -> "IndexVersion":
        """This version under another log of deletes; it shares all files and what is in memory, and is closed by itself."""
        other = copy(self)
        other.manifest = self._held.manifest
        other._hide(log)
        self._shared.more()
        return other

    def _hide(self, log: Log | None) -> None:
        """Hide what is deleted."""
        self.alive = np.ones(self.rows, bool)
        columns = self._catalog.columns
        hidden = read_array(self._directory / TOMBSTONES) if log is None else hidden_in(columns, self.manifest, log)
        self.stale = stale_of(columns, self.manifest, log, hidden)
        self.counted = counted_rows(columns, self.manifest, log)
        if log is not None:
            self.manifest, self.seq = under_log(self.manifest, log, len(hidden)), log.head.seq
        if len(hidden) and (hidden.min() < 0 or hidden.max() >= self.rows):
            raise DamageError(f"{self._directory.path}: damaged (deleted rows must be between 0 and {self.rows - 1})")
        self.alive[hidden] = False
        self.live = int(self.alive.sum())

    def _check_rows(self, *counted: int) -> None:
        if any(rows != self.rows for rows in counted):
            raise DamageError(f"{self._directory.path}: shards, catalog and manifest do not hold the same number of instances")

    def _check_columns(self) -> None:
        there = self._catalog.kinds()
        wrong = [name for name, kind in self.manifest.columns if there.get(name) != kind]
        if wrong:
            raise DamageError(
                f"{self._directory.path}: catalog and manifest do not hold the same columns; the first: {wrong[0]!r}"
            )

    def close(self) -> None:
        """Let its files and the hold on them go, unless it shares them with another."""
        self._shared.close()

    @cached_property
    def gradients(self) -> Stored:
        """Every shard's gradients."""
        return self._vectors.of("gradients")

    @cached_property
    def unit_gradients(self) -> Stored:
        """Gradients without their norms, for cosine."""
        return self._vectors.of("unit_gradients")

    @cached_property
    def hidden(self) -> Stored:
        """States that the head reads, without their norms."""
        return self._vectors.of("hidden")

    @cached_property
    def hidden_norms(self) -> NDArray[np.float32]:
        """Norms of the states [n]."""
        return np.concatenate([shard.norms(HIDDEN_NORMS) for shard in self._shards])

    @cached_property
    def activations(self) -> Stored:
        """Dense activation signatures."""
        return self._vectors.of("activations")

    @cached_property
    def attributions(self) -> Stored:
        """Dense attribution signatures."""
        return self._vectors.of("attributions")

    @cached_property
    def tracin(self) -> Stored:
        """Gradients at the checkpoints, one after the other in each vector."""
        return self._vectors.of("tracin")

    @cached_property
    def lexical(self) -> Lexical:
        """The BM25 index of the texts."""
        found = Lexical(self._directory)
        self._check_rows(found.size)
        return found

    @cached_property
    def postings(self) -> NeuronInstances:
        """Neuron -> instances."""
        return read_neuron_instances(self._directory)

    @cached_property
    def kept(self) -> InstanceNeurons:
        """Instance -> kept neurons."""
        return read_instance_neurons(self._directory)

    @cached_property
    def _curvature(self) -> dict[str, Float64]:
        return read_tensors(self._directory / CURVATURE)

    def approximate(self, kind: str) -> Approximate:
        """A structure for approximate search."""
        if kind not in self._structures:
            self._structures[kind] = Approximate(self._directory, kind, self._vectors.placed)
        return self._structures[kind]

    def spectrum(self, kind: str) -> Spectrum:
        """The eigendecomposition of a curvature."""
        if kind not in self._spectra:
            self._spectra[kind] = Spectrum.read(self._curvature, kind, self.manifest.blocks, self.manifest.gradient_dim)
        return self._spectra[kind]

    @staticmethod
    def vector(stored: Stored, row: int) -> Float64:
        """A stored vector times its norm, in float64."""
        return stored.vector(row) if isinstance(stored, Far) else stored_vector(stored, row)

    def state(self, row: int) -> NDArray[np.float32]:
        """The state that the head reads of one instance [h]."""
        state: NDArray[np.float32] = (self.vector(self.hidden, row) * float(self.hidden_norms[row])).astype(np.float32)
        return state

    def encoding(self, row: int) -> dict[str, Any]:
        """What the model reads of one instance, where the index stores it."""
        shard = next(shard for shard in reversed(self._shards) if shard.start <= row)
        return shard.encoding(row - shard.start)

    def row_of(self, identity: str) -> int:
        """Row of an instance.

        Raises:
            UnknownInstanceError: no such id, or deleted.
        """
        found = self.select(f"SELECT {ROW} FROM instances WHERE id = ?", [identity])
        live = [row for (row,) in found if self.alive[row]]  # an update leaves the row that it replaces
        if not live:
            known = "" if found else f"; ids are as {self.some_ids()}"
            where = f"version {self.manifest.version} of {self._index.name}"
            raise UnknownInstanceError(f"no instance '{identity}' in {where}{known}", "instance_id")
        return int(live[-1])

    def some_ids(self) -> str:
        """The first ids, in words."""
        return ", ".join(f"'{identity}'" for identity in self.first_ids(SAMPLE))

    def first_ids(self, count: int) -> list[str]:
        """The first so many ids of live rows."""
        return self.ids_of(np.flatnonzero(self.alive)[:count])

    def ids_of(self, rows: Rows) -> list[str]:
        """Ids of rows, in their order."""
        ids: list[str] = self.ids.take(pa.array(rows)).to_pylist()
        return ids

    def fields(self, rows: Sequence[int], columns: Sequence[str]) -> list[dict[str, Any]]:
        """Columns of rows, in the order of the rows."""
        if not columns or not len(rows):
            return [{} for _ in rows]
        names = ", ".join(map(quoted, columns))
        found = self.select(f"SELECT {ROW}, {names} FROM instances WHERE {ROW} = ANY(?)", [[int(row) for row in rows]])
        by_row = {values[0]: dict(zip(columns, values[1:], strict=True)) for values in found}
        return [by_row[int(row)] for row in rows]

    def select(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Rows of a query to the catalog."""
        return self._catalog.select(sql, parameters)

    def rows_where(self, sql: str, parameters: Sequence[Any]) -> Rows:
        """Rows of the table, live ones or not; `sql` is what stands behind its name: WHERE, ORDER BY."""
        return self._catalog.numbers(f"SELECT {ROW} FROM instances {sql}", parameters)
