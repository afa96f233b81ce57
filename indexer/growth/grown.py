"""Writing a version with more shards than one before: what is of each row is added, what is of all rows stays, and is stale."""

import fnmatch
import shutil
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa

from attridex.indexer.building.versions import VersionWriter
from attridex.indexer.curvature.tensors import Tensors
from attridex.indexer.errors import AGAIN, DamageError, InputError
from attridex.indexer.files import linked
from attridex.indexer.index.arrays import read_tensors
from attridex.indexer.index.catalog import Catalog
from attridex.indexer.index.deletes import Log
from attridex.indexer.index.layout import (
    CATALOG,
    CURVATURE,
    FACTORS,
    ORDER,
    ORDERED_NORMS,
    PIECES,
    SIDECAR,
    shard_dir,
    version_dir,
)
from attridex.indexer.index.lexical import NO_WORDS, counts_of, read_counts, write_bm25
from attridex.indexer.index.postings import grow_instance_neurons, grow_neuron_instances
from attridex.indexer.index.records import OF_WORDS, STATISTICS, Basis, FileEntry, Manifest
from attridex.indexer.index.shards import Shard
from attridex.indexer.index.verify import NOT_LISTED, check_shard
from attridex.indexer.lifecycle.counted import Counted
from attridex.indexer.lifecycle.facts import VersionFacts
from attridex.indexer.lifecycle.liveness import hidden_in


class GrownVersion(VersionWriter):
    """Writes a version from the one before and the shards behind that one's; nothing of the old rows is computed again.

    The files of the one before are what was written: whoever calls has compared them (`check_own_files`).
    """

    def __init__(self, index: Path, facts: VersionFacts, names: Sequence[str], base: Manifest, log: Log) -> None:
        """Every shard is there.

        Args:
            index: the index directory.
            facts: what is known beside the shards.
            names: of the shards, those of the version before first.
            base: the version before.
            log: of deletes, as it will count for this version.

        Raises:
            DamageError: the record of a shard is not the one that the version before lists.
        """
        super().__init__(index, facts, names)
        for listed, found in zip(base.shards, self._entries, strict=False):
            if found != listed:
                raise DamageError(f"{shard_dir(index, listed.name) / SIDECAR}: {NOT_LISTED}; {AGAIN}")
        self._base, self._before = base, version_dir(index, base.version)
        self._kept: dict[str, FileEntry] = {}
        self._new: list[Shard] = self._shards[len(base.shards) :]
        alive = np.ones(self._rows, bool)
        alive[self._hidden(log)] = False
        kept = {name: base.basis(name) for name in STATISTICS}
        self._counted = Counted(kept | {OF_WORDS: Basis(rows=self._rows, entries=log.head.seq)}, dict.fromkeys(STATISTICS, alive))

    def _hidden(self, log: Log) -> "np.typing.NDArray[np.int64]":
        """Rows that a log hides."""
        if not log.deletions:
            return np.zeros(0, np.int64)
        with closing(Catalog(self._before / CATALOG)) as catalog:

            def columns(names: Sequence[str]) -> pa.Table:
                return pa.concat_tables([catalog.columns(names), *(shard.instances(names) for shard in self._new)])

            grown = self._base.model_copy(update={"shards": self._entries, "instances": self._rows})
            return hidden_in(columns, grown, log)

    def write(self, before: Manifest | None = None) -> Manifest:
        """Write it; see `VersionWriter.write`.

        Raises:
            InputError: no instance came in.
        """
        if not sum(shard.rows for shard in self._new):
            raise InputError(f"{self._index}: every instance was left out as not finite; nothing is appended")
        return super().write(before)

    def _write_curvature(self, directory: Path) -> Tensors:
        self._link(directory, (CURVATURE, FACTORS))
        return read_tensors(directory / CURVATURE) if self._curvatures else {}

    def _write_catalog(self, directory: Path, tensors: Tensors) -> None:
        shutil.copyfile(self._before / CATALOG, directory / CATALOG)
        with self._catalog(directory) as catalog:
            catalog.allow_twins()
            self._add_shards(catalog, self._new, tensors)
            catalog.append_neurons()
        if self._facts.config.neurons.enabled:
            neurons = self._facts.model.layers * self._facts.model.units
            grow_neuron_instances(directory, self._before, neurons, self._new)
            grow_instance_neurons(directory, self._before, self._new)

    def _write_words(self, directory: Path) -> None:
        known, fields = read_counts(self._before), self._facts.corpus.text_fields
        shards, counts = (self._shards, NO_WORDS) if known is None else (self._new, known)
        for entry in self._base.shards if known is None else ():  # older versions keep no counts: the texts are read again
            check_shard(self._index, entry.name, entry.sha256)
        write_bm25(directory, counts_of(shards, fields, counts), self._counted.alive[OF_WORDS])

    def _check_structures(self) -> None:
        """They are those of the version before, which are not made again."""

    def _write_structures(self, directory: Path, tensors: Tensors) -> dict[str, float]:
        self._link(directory, (ORDER, ORDERED_NORMS, *fnmatch.filter(self._base.files, PIECES)))
        return self._base.recall

    def _link(self, directory: Path, names: Iterable[str]) -> None:
        """Share those of some files that the version before has."""
        for name in self._base.files.keys() & {*names}:
            linked(self._before / name, directory / name)
            self._kept[name] = self._base.files[name]

    def _describe(self, directory: Path, deleted: int, recall: dict[str, float]) -> Manifest:
        """A shared file is listed as it was: what happens to it while this version is written stays damage."""
        manifest = super()._describe(directory, deleted, recall)
        return manifest.model_copy(update={"files": manifest.files | self._kept})

    def _factors_of(self) -> dict[str, int]:
        """The curvature is the one before."""
        return {"factors_of": self._base.factors_of} if self._base.factors_of else {}
