"""Versions: whole shards become a numbered, self-describing view that readers open; nothing written is ever edited."""

import subprocess
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attridex.indexer.building.agreement import agreement
from attridex.indexer.building.fit import fit_of
from attridex.indexer.building.plan import Plan
from attridex.indexer.building.recall import Transform, measure_recall
from attridex.indexer.corpus.tally import Answer
from attridex.indexer.curvature.over_shards import Statistics
from attridex.indexer.curvature.spectrum import Spectrum, inverse
from attridex.indexer.errors import InputError
from attridex.indexer.files import file_hash, publish
from attridex.indexer.index.approximate import write_structures
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
    SIDECAR,
    TOMBSTONES,
    instance_columns,
    shard_dir,
    version_dir,
)
from attridex.indexer.index.lexical import write_bm25
from attridex.indexer.index.postings import write_instance_neurons, write_neuron_instances
from attridex.indexer.index.records import (
    CorpusFacts,
    LeftOut,
    Manifest,
    ModelFacts,
    ShardEntry,
    Sidecar,
    explicit,
    file_entries,
)
from attridex.indexer.index.shards import open_shards
from attridex.indexer.lifecycle.recovery import recovered_log
from attridex.indexer.packages import installed_versions
from attridex.indexer.signing.signer import Signer

Float64 = NDArray[np.float64]
SIGN = "higher = the training instance lowers the query's loss more (gradients of the loss, not negated)"
LIBRARIES = ("attridex", "torch", "transformers", "faiss-cpu", "faiss-gpu", "duckdb", "numpy", "pyarrow", "safetensors")


def commit(index: Path, plan: Plan, signer: Signer, *, measured: bool = True) -> Manifest:
    """Publish the whole shards of a plan as a version and make it the current one; does nothing if it is that already.

    Args:
        index: the index directory.
        plan: whose shards are there.
        signer: of the build.
        measured: whether the neurons' rank agreement is measured, which scores neurons anew.
    """
    writer = VersionWriter(index, plan, signer, measured=measured)
    log = recovered_log(index) if index_format(index) > 2 else None
    before = writer.before
    if before and sorted(before.config.index.approximate) == sorted(plan.config.index.approximate):
        if not (index / CURRENT).exists():
            write_current(index, before.version, log)
        return before
    manifest = writer.write()
    write_current(index, manifest.version, log)
    return manifest


class VersionWriter:
    """Writes one version from the whole shards of a plan.

    Attributes:
        before: the last version of these shards, if there is one; of format 2 what is deleted there stays deleted.
    """

    def __init__(self, index: Path, plan: Plan, signer: Signer, *, measured: bool = True) -> None:
        """Every shard of the plan is there.

        Args:
            index: the index directory.
            plan: of the build.
            signer: of the build.
            measured: see `commit`.
        """
        self._measured = measured and plan.config.neurons.enabled
        self._index, self._plan, self._signer = index, plan, signer
        self._sidecars = [read_sidecar(index, name) for name in plan.shards]
        self._entries = [
            shard_entry(index, name, sidecar, index_format(index))
            for name, sidecar in zip(plan.shards, self._sidecars, strict=True)
        ]
        self._shards = open_shards(index, self._entries)
        self._rows = sum(sidecar.rows for sidecar in self._sidecars)
        self._curvatures = sorted(plan.config.gradients.curvature)
        self._structures = sorted(plan.config.index.approximate)
        manifests = (read_manifest(index, number) for number in reversed(list_versions(index)))
        self.before = next((manifest for manifest in manifests if manifest.shards == self._entries), None)
        self._number, self._created = next_version(index), now()
        self._format = index_format(index)

    def write(self) -> Manifest:
        """Write it, whole or not at all.

        Raises:
            InputError: no instance is left, or an id stands twice.
        """
        if not self._rows:
            raise InputError(f"{self._index}: every instance was left out as not finite; is the model sound?")
        with publish(version_dir(self._index, self._number)) as directory:
            statistics = Statistics(self._shards, self._signer.gradients.blocks)
            tensors = statistics.curvatures(self._curvatures)
            if self._curvatures:
                write_tensors(directory / CURVATURE, tensors)
            self._write_catalog(directory, statistics.self_influence(self._curvatures, tensors))
            deleted = self._write_tombstones(directory) if self._format == 2 else 0
            write_bm25(directory, self._shards, self._signer.renderer.text_fields)
            recall = self._write_structures(directory, tensors)
            manifest = self._describe(directory, deleted, recall)
            write_manifest(directory, manifest)
        return manifest

    def _write_catalog(self, directory: Path, influences: Mapping[str, Float64]) -> None:
        """Catalog and postings; `influences` are further columns of the instances [n]."""
        columns = {**dict.fromkeys(influences, "DOUBLE"), **self._plan.survey.columns}
        with writing_catalog(directory / CATALOG, columns, self._places(), self._rows) as catalog:
            for shard in self._shards:
                own = {name: values[shard.start : shard.stop] for name, values in influences.items()}
                catalog.add_instances(shard.instances(), shard.start, own)
                catalog.add_predictions(shard.predictions(), self._signer.labels or None, shard.start)
                if self._plan.config.neurons.enabled:
                    catalog.add_neurons(shard.neuron_batches(), shard.start)
            catalog.sort_neurons()
            catalog.add_run(self._number, self._created, git_revision(), library_versions()["attridex"])
            if self._plan.config.neurons.enabled:
                self._write_postings(directory, catalog)

    def _write_postings(self, directory: Path, catalog: CatalogWriter) -> None:
        """What is looked up of neurons, from a sorted catalog."""
        catalog.summarise_neurons()
        neurons = self._signer.layers * self._signer.units
        write_neuron_instances(directory, neurons, catalog.neuron_count(), catalog.sorted_neurons())
        write_instance_neurons(directory, self._shards)

    def _write_tombstones(self, directory: Path) -> int:
        """Rows that are deleted; how many."""
        gone = np.zeros(0, np.int64)
        if self.before:
            gone = read_array(version_dir(self._index, self.before.version) / TOMBSTONES)
        write_array(directory / TOMBSTONES, gone)
        return len(gone)

    def _write_structures(self, directory: Path, tensors: Mapping[str, Float64]) -> dict[str, float]:
        """Structures for approximate search; their recall for each method."""
        if not self._structures:
            return {}
        write_structures(directory, self._shards, self._structures)
        transforms: dict[str, Transform] = {"grad-dot": lambda gradients: gradients, "grad-cos": lambda gradients: gradients}
        for kind in self._curvatures:
            spectrum = Spectrum.read(tensors, kind, self._signer.gradients.blocks, self._signer.gradient_dim)
            transforms[kind] = partial(spectrum.apply, change=inverse(spectrum.damping))
        return measure_recall(directory, self._shards, self._structures, transforms)

    def _describe(self, directory: Path, deleted: int, recall: dict[str, float]) -> Manifest:
        """The manifest of a version whose other files lie in `directory`."""
        config, signer = self._plan.config, self._signer
        return Manifest(
            format=self._format,
            version=self._number,
            created=self._created,
            task=config.model.task,
            instances=self._rows,
            deleted=deleted,
            truncated=sum(sidecar.truncated for sidecar in self._sidecars),
            bad=[*self._unusable(), *(entry for sidecar in self._sidecars for entry in sidecar.bad)],
            config=explicit(config),
            model=self._model_facts(),
            corpus=self._corpus_facts(),
            gradient_dim=signer.gradient_dim,
            blocks=signer.gradients.blocks,
            precision=self._plan.precision(signer.gradient_dim),
            sign=SIGN,
            label=config.gradients.label,
            curvatures=self._curvatures,
            checkpoints=self._plan.model.checkpoints,
            neurons=config.neurons.enabled,
            signature_dim=signer.dense.dim if config.neurons.enabled else 0,
            signature_projected=signer.dense.projected,
            columns=instance_columns(self._curvatures, self._plan.survey.columns),
            shards=self._entries,
            files=file_entries(directory, self._format),
            recall=recall,
            fit=fit_of(self._answers(), self._plan.tally),
            agreement=agreement(signer, self._shards) if self._measured else {},
            libraries=library_versions(),
            revision=git_revision(),
        )

    def _places(self) -> NeuronPlaces:
        """What turns a neuron's number into its name."""
        return NeuronPlaces(self._signer.units, self._signer.arch.experts, self._signer.arch.expert_units)

    def _answers(self) -> Iterator[Answer]:
        """What the model says of the instances, as the shards store it."""
        tally = self._plan.tally
        for shard, sidecar in zip(self._shards, self._sidecars, strict=True):
            table = shard.instances(["label", "predicted", "loss"]).to_pydict()
            gone = {left.position for left in sidecar.bad}
            places = [place for place in range(sidecar.start, sidecar.stop) if place not in gone]
            for place, label, predicted, loss in zip(places, *table.values(), strict=True):
                yield tally.answer(tally.told(place, label), predicted, loss)

    def _unusable(self) -> list[LeftOut]:
        """Records that were left out before any model work."""
        found = self._plan.survey.unusable
        return [LeftOut(id=each.id or each.where, position=each.number, reason=f"{each.where}: {each.reason}") for each in found]

    def _model_facts(self) -> ModelFacts:
        signer, identity = self._signer, self._plan.model
        return ModelFacts(
            path=self._plan.config.model.path,
            hash=identity.model,
            tokenizer_hash=identity.tokenizer,
            family=signer.loaded.family,
            labels=signer.labels,
            layers=signer.layers,
            units=signer.units,
            hidden=signer.arch.hidden,
            experts=signer.arch.experts,
            expert_units=signer.arch.expert_units,
            shared_units=signer.arch.shared_units if signer.arch.experts else [],
            dense_layers=signer.arch.dense_layers if signer.arch.experts else [],
        )

    def _corpus_facts(self) -> CorpusFacts:
        survey = self._plan.survey
        return CorpusFacts(
            fingerprint=survey.fingerprint,
            instances=survey.instances,
            text_fields=list(self._signer.renderer.text_fields),
            tokens=survey.tokens,
        )


def shard_entry(index: Path, name: str, sidecar: Sidecar, number: int) -> ShardEntry:
    """A shard as a manifest lists it.

    Args:
        index: the index directory.
        name: of the shard.
        sidecar: its own.
        number: of the manifest's format.
    """
    since = {"since": sidecar.since} if number > 2 else {}
    return ShardEntry(name=name, rows=sidecar.rows, sha256=file_hash(shard_dir(index, name) / SIDECAR), **since)


def library_versions() -> dict[str, str]:
    """Versions of the libraries that made an index."""
    return installed_versions(LIBRARIES)


def git_revision() -> str | None:
    """Git revision of attridex's own source, where it runs from a checkout."""
    try:
        command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None
