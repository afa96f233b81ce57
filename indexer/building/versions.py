"""Versions: whole shards become a numbered, self-describing view that readers open; nothing written is ever edited."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from attridex.indexer.approximate.on_gpus import check_graphs, gpu_of
from attridex.indexer.approximate.recall import Transform, measure_recall
from attridex.indexer.approximate.structures import write_structures
from attridex.indexer.building.agreement import agreement
from attridex.indexer.building.fit import answers, fit_of
from attridex.indexer.building.plan import Plan
from attridex.indexer.corpus.survey import Unusable
from attridex.indexer.curvature.over_shards import Statistics
from attridex.indexer.curvature.spectrum import Spectrum, inverse
from attridex.indexer.curvature.tensors import Tensors
from attridex.indexer.errors import InputError
from attridex.indexer.files import file_hash, publish
from attridex.indexer.index.arrays import read_array, write_array, write_tensors
from attridex.indexer.index.catalog import CatalogWriter, NeuronPlaces, writing_catalog
from attridex.indexer.index.directory import (
    index_format,
    list_versions,
    next_version,
    now,
    read_manifest,
    read_sidecar,
    write_current,
    write_manifest,
)
from attridex.indexer.index.layout import (
    CATALOG,
    CURRENT,
    CURVATURE,
    FACTORS,
    SIDECAR,
    TOMBSTONES,
    instance_columns,
    self_influence_columns,
    shard_dir,
    version_dir,
)
from attridex.indexer.index.lexical import counts_of, write_bm25
from attridex.indexer.index.postings import write_instance_neurons, write_neuron_instances
from attridex.indexer.index.records import (
    OF_CURVATURE,
    OF_NEURONS,
    OF_WORDS,
    Basis,
    CorpusFacts,
    LeftOut,
    Manifest,
    ModelFacts,
    ShardEntry,
    Sidecar,
    explicit,
    file_entries,
)
from attridex.indexer.index.shards import Shard, open_shards
from attridex.indexer.lifecycle.added import AddedColumns, carried, served_before
from attridex.indexer.lifecycle.counted import Counted
from attridex.indexer.lifecycle.facts import VersionFacts
from attridex.indexer.lifecycle.recovery import recovered_log
from attridex.indexer.packages import git_revision, installed_versions
from attridex.indexer.sections import FACTORED
from attridex.indexer.signing.signer import Signer

SIGN = "higher = the training instance lowers the query's loss more (gradients of the loss, not negated)"
LIBRARIES = ("attridex", "torch", "transformers", "faiss-cpu", "faiss-gpu", "duckdb", "numpy", "pyarrow", "safetensors")


def facts_of_build(plan: Plan, signer: Signer, number: int, *, measured: bool = True) -> VersionFacts:
    """Facts of a build.

    Args:
        plan: of it.
        signer: of it.
        number: of the index's format.
        measured: whether the neurons' rank agreement is measured, which scores neurons anew.
    """
    neurons = plan.config.neurons.enabled
    unusable = plan.survey.unusable
    return VersionFacts(
        format=number,
        config=explicit(plan.config),
        columns=plan.survey.columns,
        model=model_facts(plan, signer),
        corpus=CorpusFacts(
            fingerprint=plan.survey.fingerprint,
            instances=plan.survey.instances,
            text_fields=list(signer.renderer.text_fields),
            tokens=plan.survey.tokens,
        ),
        blocks=signer.gradients.blocks,
        checkpoints=plan.model.checkpoints,
        precision=plan.precision(signer.gradient_dim),
        signature_dim=signer.scorer.dense.dim if neurons else 0,
        signature_projected=signer.scorer.dense.projected,
        unusable=list(map(left_out, unusable)),
        fit=lambda shards, sidecars: fit_of(answers(plan.tally, shards, sidecars), plan.tally),
        agreement=lambda shards: agreement(signer, shards) if measured and neurons else {},
    )


def left_out(record: Unusable) -> LeftOut:
    """A record that cannot be used, as a manifest lists it."""
    return LeftOut(id=record.id or record.where, position=record.number, reason=f"{record.where}: {record.reason}")


def model_facts(plan: Plan, signer: Signer) -> ModelFacts:
    """What an index knows of its model."""
    identity, arch = plan.model, signer.arch
    return ModelFacts(
        path=plan.config.model.path,
        hash=identity.model,
        tokenizer_hash=identity.tokenizer,
        family=signer.loaded.family,
        labels=signer.labels,
        layers=signer.layers,
        units=signer.units,
        hidden=arch.hidden,
        experts=arch.experts,
        expert_units=arch.expert_units,
        shared_units=arch.shared_units if arch.experts else [],
        dense_layers=arch.dense_layers if arch.experts else [],
    )


def commit(index: Path, plan: Plan, signer: Signer, *, measured: bool = True) -> Manifest:
    """Publish the whole shards of a plan as a version and make it the current one; does nothing if it is that already.

    Args:
        index: the index directory.
        plan: whose shards are there.
        signer: of the build.
        measured: whether the neurons' rank agreement is measured, which scores neurons anew.
    """
    number = index_format(index)
    writer = VersionWriter(index, facts_of_build(plan, signer, number, measured=measured), plan.shards)
    log = recovered_log(index) if number > 2 else None
    before = writer.before()
    if before and sorted(before.config.index.approximate) == sorted(plan.config.index.approximate):
        if not (index / CURRENT).exists():
            write_current(index, before.version, log)
        return before
    manifest = writer.write(before)
    write_current(index, manifest.version, log)
    return manifest


class VersionWriter:
    """Writes one version from whole shards."""

    def __init__(
        self, index: Path, facts: VersionFacts, names: Sequence[str], number: str | None = None, counted: Counted | None = None
    ) -> None:
        """Every shard is there.

        Args:
            index: the index directory.
            facts: what is known beside the shards.
            names: of the shards, in the order of their rows.
            number: of the version; the next one where None.
            counted: the rows that each statistic is taken of; all of them where None.
        """
        self._index, self._facts = index, facts
        self._sidecars = [read_sidecar(index, name) for name in names]
        self._entries = [
            shard_entry(index, name, sidecar, facts.format) for name, sidecar in zip(names, self._sidecars, strict=True)
        ]
        self._shards = open_shards(index, self._entries)
        self._rows = sum(sidecar.rows for sidecar in self._sidecars)
        self._counted = counted or Counted.every(self._rows)
        self._curvatures = sorted(facts.config.gradients.curvature)
        self._structures = sorted(facts.config.index.approximate)
        self._number, self._created = number or next_version(index), now()
        self._further = AddedColumns({}, {})

    def before(self) -> Manifest | None:
        """The last version of these shards, if there is one."""
        manifests = (read_manifest(self._index, number) for number in reversed(list_versions(self._index)))
        return next((manifest for manifest in manifests if manifest.shards == self._entries), None)

    def write(self, before: Manifest | None = None) -> Manifest:
        """Write it, whole or not at all; in format 2 what is deleted in the version before stays deleted.

        Raises:
            InputError: no instance is left, or a structure cannot be made here.
        """
        self._check_structures()
        if not self._rows:
            raise InputError(f"{self._index}: every instance was left out as not finite; is the model sound?")
        with publish(version_dir(self._index, self._number)) as directory:
            self._further = carried(self._index, before or served_before(self._index), self._entries)
            self._further.write(directory)
            tensors = self._write_curvature(directory)
            self._write_catalog(directory, tensors)
            deleted = self._write_tombstones(directory, before) if self._facts.format == 2 else 0
            self._write_words(directory)
            recall = self._write_structures(directory, tensors)
            manifest = self._describe(directory, deleted, recall)
            write_manifest(directory, manifest)
        return manifest

    def _write_curvature(self, directory: Path) -> Tensors:
        """The curvatures, by tensor name."""
        counted = self._counted
        if counted.factors is not None:
            write_tensors(directory / FACTORS, counted.factors)
        tensors = self._sums().curvatures(self._curvatures)
        if self._curvatures:
            write_tensors(directory / CURVATURE, tensors)
        return tensors

    def _sums(self) -> Statistics:
        """What the curvatures are made of."""
        return Statistics(self._shards, self._facts.blocks, self._counted.alive[OF_CURVATURE], self._counted.factors)

    def _write_catalog(self, directory: Path, tensors: Tensors) -> None:
        """Catalog and postings."""
        with self._catalog(directory) as catalog:
            self._add_shards(catalog, self._shards, tensors)
            catalog.sort_neurons()
            if self._facts.config.neurons.enabled:
                self._write_postings(directory, catalog)

    @contextmanager
    def _catalog(self, directory: Path) -> Iterator[CatalogWriter]:
        """The catalog, to which the run is added."""
        influences = dict.fromkeys(self_influence_columns(self._curvatures), "DOUBLE")
        columns = {**influences, **self._facts.columns, **self._further.types}
        with writing_catalog(directory / CATALOG, columns, self._places(), self._rows) as catalog:
            catalog.add_run(self._number, self._created, git_revision(), library_versions()["attridex"])
            yield catalog

    def _add_shards(self, catalog: CatalogWriter, shards: Sequence[Shard], tensors: Tensors) -> None:
        """Add instances, predictions and neurons of shards, with self-influences under curvatures."""
        influences = Statistics(shards, self._facts.blocks).self_influence(self._curvatures, tensors)
        first = shards[0].start
        for shard in shards:
            own = {name: values[shard.start - first : shard.stop - first] for name, values in influences.items()}
            own |= {name: values[shard.start : shard.stop] for name, values in self._further.values.items()}
            catalog.add_instances(shard.instances(), shard.start, own)
            catalog.add_predictions(shard.predictions(), self._facts.model.labels or None, shard.start)
            if self._facts.config.neurons.enabled:
                catalog.add_neurons(shard.neuron_batches(), shard.start)

    def _write_words(self, directory: Path) -> None:
        """The BM25 index."""
        write_bm25(directory, counts_of(self._shards, self._facts.corpus.text_fields), self._counted.alive[OF_WORDS])

    def _write_postings(self, directory: Path, catalog: CatalogWriter) -> None:
        """What is looked up of neurons, from a sorted catalog."""
        catalog.summarise_neurons(self._counted.alive[OF_NEURONS])
        neurons = self._facts.model.layers * self._facts.model.units
        write_neuron_instances(directory, neurons, catalog.neuron_count(), catalog.sorted_neurons())
        write_instance_neurons(directory, self._shards)

    def _write_tombstones(self, directory: Path, before: Manifest | None) -> int:
        """Rows that are deleted; how many."""
        gone = np.zeros(0, np.int64)
        if before:
            gone = read_array(version_dir(self._index, before.version) / TOMBSTONES)
        write_array(directory / TOMBSTONES, gone)
        return len(gone)

    def _check_structures(self) -> None:
        """Refuse structures that cannot be made here."""
        check_graphs(self._structures, self._facts.config.model.device)

    def _write_structures(self, directory: Path, tensors: Tensors) -> dict[str, float]:
        """Structures for approximate search; their recall for each method."""
        if not self._structures:
            return {}
        write_structures(directory, self._shards, self._structures, gpu_of(self._facts.config.model.device))
        transforms: dict[str, Transform] = {"grad-dot": lambda gradients: gradients, "grad-cos": lambda gradients: gradients}
        for kind in self._curvatures:
            spectrum = Spectrum.read(tensors, kind, self._facts.blocks, self._facts.blocks[-1].stop)
            transforms[kind] = partial(spectrum.apply, change=inverse(spectrum.damping))
        return measure_recall(directory, self._shards, self._structures, transforms)

    def _describe(self, directory: Path, deleted: int, recall: dict[str, float]) -> Manifest:
        """The manifest of a version.

        Args:
            directory: where its other files lie.
            deleted: rows of its tombstones.
            recall: of its structures for approximate search.
        """
        facts, config = self._facts, self._facts.config
        return Manifest(
            format=facts.format,
            version=self._number,
            created=self._created,
            task=config.model.task,
            instances=self._rows,
            deleted=deleted,
            truncated=sum(sidecar.truncated for sidecar in self._sidecars),
            bad=[*facts.unusable, *(entry for sidecar in self._sidecars for entry in sidecar.bad)],
            config=config,
            model=facts.model,
            corpus=facts.corpus,
            gradient_dim=facts.blocks[-1].stop,
            blocks=facts.blocks,
            precision=facts.precision,
            sign=SIGN,
            label=config.gradients.label,
            curvatures=self._curvatures,
            checkpoints=facts.checkpoints,
            neurons=config.neurons.enabled,
            signature_dim=facts.signature_dim,
            signature_projected=facts.signature_projected,
            columns=instance_columns(self._curvatures, {**facts.columns, **self._further.types}),
            shards=self._entries,
            files=file_entries(directory, facts.format),
            recall=recall,
            fit=facts.fit(self._shards, self._sidecars),
            agreement=facts.agreement(self._shards),
            libraries=library_versions(),
            revision=git_revision(),
            **self._statistics(),
            **self._factors_of(),
            **({"added": list(self._further.types)} if self._further.types else {}),
        )

    def _statistics(self) -> dict[str, dict[str, Basis]]:
        """What the manifest says of the rows that statistics were taken of, unless those are all."""
        return {"statistics": statistics} if (statistics := self._counted.statistics) else {}

    def _factors_of(self) -> dict[str, int]:
        """What the manifest says of K-FAC's factors, unless they are of the rows that count; see `Manifest`."""
        if not FACTORED & {*self._curvatures}:
            return {}
        summed = self._sums().summed
        return {"factors_of": summed} if summed > self._counted.alive[OF_CURVATURE].sum() else {}

    def _places(self) -> NeuronPlaces:
        """What turns a neuron's number into its name."""
        return NeuronPlaces(self._facts.model.units, self._facts.model.experts, self._facts.model.expert_units)


def shard_entry(index: Path, name: str, sidecar: Sidecar, number: int) -> ShardEntry:
    """A shard as a manifest lists it.

    Args:
        index: the index directory.
        name: of the shard.
        sidecar: its own.
        number: of the manifest's format.
    """
    own = {name: getattr(sidecar, name) for name in ShardEntry.newer if getattr(sidecar, name)} | {"since": sidecar.since}
    sha256 = file_hash(shard_dir(index, name) / SIDECAR)
    return ShardEntry(name=name, rows=sidecar.rows, sha256=sha256, **(own if number > 2 else {}))


def library_versions() -> dict[str, str]:
    """Versions of the libraries that made an index."""
    return installed_versions(LIBRARIES)
