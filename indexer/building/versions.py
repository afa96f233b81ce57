"""Versions: whole shards become a numbered, self-describing view that readers open; nothing written is ever edited."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from attridex.indexer.building.agreement import agreement
from attridex.indexer.building.plan import Plan
from attridex.indexer.curvature.over_shards import Statistics, self_influence_columns
from attridex.indexer.curvature.spectrum import Spectrum, inverse
from attridex.indexer.errors import InputError
from attridex.indexer.index.approximate import Transform, measure_recall, write_structures
from attridex.indexer.index.deletion import next_version, now
from attridex.indexer.index.layout import (
    CATALOG,
    CURVATURE,
    INSTANCES,
    MANIFEST,
    NEURONS,
    PREDICTIONS,
    SIDECAR,
    TOMBSTONES,
    Manifest,
    ModelFacts,
    ShardEntry,
    Sidecar,
    file_entry,
    file_hash,
    list_versions,
    publish,
    read_manifest,
    read_sidecar,
    seal,
    shard_dir,
    version_dir,
    write_current,
    write_synced,
)
from attridex.indexer.index.lexical import write_bm25
from attridex.indexer.index.tables import OWN_COLUMNS, Catalog, write_instance_neurons, write_postings
from attridex.indexer.signing.signer import Signer

SIGN = "higher = the training instance lowers the query's loss more (gradients of the loss, not negated)"
LIBRARIES = ("attridex", "torch", "transformers", "faiss-cpu", "faiss-gpu", "duckdb", "numpy", "pyarrow", "safetensors")


def commit(index: Path, plan: Plan, signer: Signer) -> Manifest:
    """Publish the whole shards of a plan as a version and make it the current one; does nothing if it is that already."""
    sidecars = {name: read_sidecar(index, name) for name in plan.shards}
    entries = [
        ShardEntry(name=name, rows=sidecar.rows, sha256=file_hash(shard_dir(index, name) / SIDECAR))
        for name, sidecar in sidecars.items()
    ]
    before = latest(index, entries)
    if before and sorted(before.config["index"]["approximate"]) == sorted(plan.config.index.approximate):
        if not (index / "CURRENT").exists():
            write_current(index, before.version)
        return before
    if not sum(sidecar.rows for sidecar in sidecars.values()):
        raise InputError(f"{index}: every instance was left out as not finite; is the model sound?")
    number = next_version(index)
    created = now()
    with publish(version_dir(index, number)) as directory:
        statistics = Statistics(index, entries, signer.gradients.blocks)
        kinds = sorted(plan.config.gradients.curvature)
        tensors = statistics.curvatures(kinds)
        if kinds:
            save_file(tensors, directory / CURVATURE)
        own = statistics.self_influence(kinds, tensors)
        try:
            write_catalog(index, directory, plan, signer, entries, number, created, own)
        except duckdb.IOException as error:
            raise OSError(f"DuckDB: {str(error).splitlines()[0]}") from error
        gone = np.load(version_dir(index, before.version) / TOMBSTONES) if before else np.zeros(0, np.int64)
        np.save(directory / TOMBSTONES, gone)
        write_bm25(index, directory, entries, signer.renderer.text_fields)
        recall = approximate(index, directory, plan, signer, entries, tensors)
        manifest = describe(plan, signer, list(sidecars.values()), entries, number, created, directory)
        if manifest.neurons:
            manifest = manifest.model_copy(update={"agreement": agreement(signer, index, entries)})
        manifest = manifest.model_copy(update={"recall": recall, "deleted": len(gone)})
        write_synced(directory / MANIFEST, seal(manifest.model_dump(mode="json")))
    write_current(index, number)
    return manifest


def latest(index: Path, entries: Sequence[ShardEntry]) -> Manifest | None:
    """The last version of these shards, if there is one."""
    manifests = (read_manifest(index, number) for number in reversed(list_versions(index)))
    return next((manifest for manifest in manifests if manifest.shards == entries), None)


def approximate(
    index: Path,
    directory: Path,
    plan: Plan,
    signer: Signer,
    entries: Sequence[ShardEntry],
    tensors: Mapping[str, NDArray[np.float64]],
) -> dict[str, float]:
    """Write the structures for approximate search that are asked for; their recall for each method."""
    kinds = sorted(plan.config.index.approximate)
    if not kinds:
        return {}
    write_structures(index, entries, kinds, directory)
    transforms: dict[str, Transform] = {"grad-dot": lambda gradients: gradients, "grad-cos": lambda gradients: gradients}
    for kind in sorted(plan.config.gradients.curvature):
        spectrum = Spectrum.read(tensors, kind, signer.gradients.blocks, signer.gradient_dim)
        transforms[kind] = partial(spectrum.apply, change=inverse(spectrum.damping))
    return measure_recall(index, entries, kinds, directory, transforms)


def write_catalog(
    index: Path,
    directory: Path,
    plan: Plan,
    signer: Signer,
    entries: Sequence[ShardEntry],
    number: str,
    created: str,
    own: Mapping[str, NDArray[np.float64]],
) -> None:
    """Write catalog and postings of a version; `own` are further columns of the instances [n]."""
    rows = sum(entry.rows for entry in entries)
    catalog = Catalog(directory / CATALOG, {**dict.fromkeys(own, "DOUBLE"), **plan.survey.columns}, signer.units, rows)
    offset = 0
    for entry in entries:
        shard = shard_dir(index, entry.name)
        catalog.add_instances(
            shard / INSTANCES, offset, {name: values[offset : offset + entry.rows] for name, values in own.items()}
        )
        catalog.add_predictions(np.load(shard / PREDICTIONS), signer.labels or None, offset)
        if plan.config.neurons.enabled:
            catalog.add_neurons(shard / NEURONS, offset)
        offset += entry.rows
    catalog.sort_neurons()
    catalog.add_run(number, created, git_revision(), library_versions()["attridex"])
    if plan.config.neurons.enabled:
        catalog.summarise_neurons()
        write_postings(catalog, directory, signer.layers * signer.units)
        write_instance_neurons([(shard_dir(index, entry.name) / NEURONS, entry.rows) for entry in entries], directory)
    catalog.close()
    shutil.rmtree(directory / "spill", ignore_errors=True)


def describe(
    plan: Plan, signer: Signer, sidecars: Sequence[Sidecar], entries: list[ShardEntry], number: str, created: str, directory: Path
) -> Manifest:
    """The manifest of a version whose other files lie in `directory`."""
    config = plan.config
    return Manifest(
        version=number,
        created=created,
        task=config.model.task,
        instances=sum(sidecar.rows for sidecar in sidecars),
        deleted=0,
        truncated=sum(sidecar.truncated for sidecar in sidecars),
        bad=[entry for sidecar in sidecars for entry in sidecar.bad],
        config=config.model_dump(mode="json"),
        model=ModelFacts(
            path=config.model.path,
            hash=plan.settings["model"],
            tokenizer_hash=plan.settings["tokenizer"],
            family=signer.loaded.family,
            labels=signer.labels,
            layers=signer.layers,
            units=signer.units,
            hidden=signer.arch.hidden,
        ),
        corpus={
            "fingerprint": plan.survey.fingerprint,
            "instances": plan.survey.instances,
            "tokens": plan.survey.tokens,
            "text_fields": list(signer.renderer.text_fields),
        },
        gradient_dim=signer.gradient_dim,
        blocks=signer.gradients.blocks,
        precision=plan.precision(signer.gradient_dim),
        sign=SIGN,
        label=config.gradients.label,
        curvatures=sorted(config.gradients.curvature),
        checkpoints=plan.settings["checkpoints"],
        neurons=config.neurons.enabled,
        signature_dim=signer.dense.dim if config.neurons.enabled else 0,
        signature_projected=signer.dense.projected,
        columns=[
            ("row", "BIGINT"),
            *OWN_COLUMNS.items(),
            *((name, "DOUBLE") for name in self_influence_columns(sorted(config.gradients.curvature))),
            *plan.survey.columns.items(),
        ],
        shards=entries,
        files={path.name: file_entry(path) for path in sorted(directory.iterdir())},
        libraries=library_versions(),
        revision=git_revision(),
    )


def library_versions() -> dict[str, str]:
    """Versions of the libraries that made an index."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_revision() -> str | None:
    """Git revision of attridex's own source, where it runs from a checkout."""
    try:
        command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None
