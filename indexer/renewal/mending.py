"""Mending the records of an index, each from its copy or from what else is whole; no model is needed."""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from attridex.indexer.building.plan import content_settings
from attridex.indexer.errors import AGAIN, DamageError, InputError
from attridex.indexer.files import JsonObject, file_hash, replace_file
from attridex.indexer.growth.batches import plan_path
from attridex.indexer.index.arrays import read_array
from attridex.indexer.index.directory import read_manifest, read_sidecar
from attridex.indexer.index.layout import (
    BATCHES,
    COPY,
    MANIFEST,
    MANIFEST_COPY,
    PLAN,
    SHARDS,
    SIDECAR,
    VERSIONS,
    paths_in,
    shard_dir,
)
from attridex.indexer.index.records import (
    Manifest,
    Sidecar,
    file_entries,
    parse_record,
    read_sealed,
    seal,
    unseal,
)
from attridex.indexer.index.tables import read_table
from attridex.indexer.index.verify import is_whole_shard
from attridex.indexer.lifecycle.facts import corpus_columns
from attridex.indexer.lifecycle.recovery import read_bytes


class Told(list[str]):
    """Lines that say what was mended, and how many instances were signed for it."""

    signed = 0


def bare(problem: object) -> str:
    """What is wrong, without the advice to repair it."""
    return str(problem).replace(f"; {AGAIN}", "")


def put(path: Path, content: bytes) -> None:
    """Swap a file's content, also where a directory stands in its place."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    replace_file(path, content)


def mend_manifests(index: Path, told: Told) -> dict[str, Manifest]:
    """The manifests of all versions by number, each mended by its copy or mending that; one that is lost is not among them."""
    found: dict[str, Manifest] = {}
    for directory in paths_in(index, VERSIONS):
        contents = {name: read_bytes(directory / name) for name in (MANIFEST, MANIFEST_COPY)}
        whole = {name: content for name, content in contents.items() if (content and sound(content, directory))}
        if not whole:
            continue
        content = whole.get(MANIFEST) or whole[MANIFEST_COPY]
        if contents[MANIFEST] != content:
            put(directory / MANIFEST, content)
            told.append(f"{directory / MANIFEST}: from its copy")
        manifest = read_manifest(index, directory.name)
        if manifest.format > 2 and contents[MANIFEST_COPY] != content:
            put(directory / MANIFEST_COPY, content)
            told.append(f"{directory / MANIFEST_COPY}: written again")
        found[directory.name] = manifest
    return found


def sound(content: bytes, directory: Path) -> bool:
    """Whether a manifest's content is what was written for that version."""
    try:
        return parse_record(Manifest, unseal(content, directory / MANIFEST), directory / MANIFEST).version == directory.name
    except (DamageError, InputError):
        return False


def mend_plan(index: Path, manifests: Mapping[str, Manifest], told: Told) -> None:
    """Write plan.json again from a manifest, if it is damaged; that it is the same, the shards' sidecars say.

    Raises:
        DamageError: no manifest gives the plan that the shards were built from.
    """
    try:
        read_sealed(index / PLAN)
        return
    except (DamageError, OSError):
        pass
    plans = set(filter(None, (plan_of(index, path.name) for path in paths_in(index, SHARDS))))
    for manifest in reversed(list(manifests.values())):
        content = seal(settings_of(manifest))
        if hashlib.sha256(content).hexdigest() in plans or not plans:
            put(index / PLAN, content)
            told.append(f"{index / PLAN}: from the manifest of version {manifest.version}")
            return
    raise DamageError(f"{index / PLAN}: cannot be mended (no manifest gives the settings that the shards were built from)")


def mend_batches(index: Path, told: Told) -> None:
    """Write the plan of each batch again from its copy, or the copy from it; that of the first build mends plan.json."""
    for name in dict.fromkeys(path.stem for path in paths_in(index, BATCHES)):
        path = index / BATCHES / f"{name}.json"
        pair = (path, path.with_suffix(COPY))
        contents = [content for each in pair if (content := read_bytes(each)) and is_sealed(content, each)]
        for each in pair if contents else ():
            if read_bytes(each) != contents[0]:
                put(each, contents[0])
                told.append(f"{each}: from the other of the two")
        if contents and name == "1" and read_bytes(index / PLAN) != contents[0]:
            put(index / PLAN, contents[0])
            told.append(f"{index / PLAN}: from its copy")


def is_sealed(content: bytes, path: Path) -> bool:
    """Whether a record is what was written."""
    try:
        return bool(unseal(content, path))
    except DamageError:
        return False


def plan_of(index: Path, name: str) -> str | None:
    """The plan that a shard names; None where its sidecar is damaged."""
    try:
        return read_sidecar(index, name).plan
    except (DamageError, InputError, OSError):
        return None


def settings_of(manifest: Manifest) -> JsonObject:
    """What plan.json holds of the build that a version is of."""
    return content_settings(manifest.config) | {
        "model": manifest.model.hash,
        "tokenizer": manifest.model.tokenizer_hash,
        "checkpoints": manifest.checkpoints,
        "corpus": manifest.corpus.fingerprint,
        "instances": manifest.corpus.instances,
        "labels": manifest.model.labels,
        "columns": corpus_columns(manifest),
    }


def mend_sidecar(index: Path, name: str, listed: str, manifest: Manifest, told: Told) -> bool:
    """Write a shard's sidecar again from its files, if they give the one that the manifest lists; whether they do.

    Args:
        index: the index directory.
        name: of the shard.
        listed: SHA-256 of the sidecar.
        manifest: that lists it.
        told: hears that it was mended.
    """
    path = shard_dir(index, name) / SIDECAR
    if not path.parent.is_dir():
        return False
    for number in (3, 2):
        try:
            content = seal(sidecar_of(index, name, number, manifest).model_dump(mode="json"))
        except (DamageError, OSError, ValueError, KeyError):
            return False
        if hashlib.sha256(content).hexdigest() == listed:
            put(path, content)
            told.append(f"{path}: from the shard's files")
            return True
    return False


def sidecar_of(index: Path, name: str, number: int, manifest: Manifest) -> Sidecar:
    """The sidecar that a shard's files give.

    Args:
        index: the index directory.
        name: of the shard.
        number: of the sidecar's format.
        manifest: that lists the shard.
    """
    directory = shard_dir(index, name)
    start, stop = map(int, name.partition(".")[0].split("-"))
    files = {file: entry for file, entry in file_entries(directory, number).items() if file != SIDECAR}
    table = read_table(directory / "instances.parquet", ["tokens", "truncated"])
    since = next(entry.since for entry in manifest.shards if entry.name == name)
    return Sidecar(
        format=number,
        plan=file_hash(plan_path(index, name)),
        start=start,
        stop=stop,
        rows=len(read_array(directory / "norms.npy")),
        tokens=sum(table["tokens"].to_pylist()),
        truncated=sum(table["truncated"].to_pylist()),
        bad=[entry for entry in manifest.bad if entry.reason.endswith("not finite") and start <= entry.position < stop],
        files=files,
        **({"since": since} if number > 2 else {}),
    )


def damaged_shards(index: Path, manifests: Mapping[str, Manifest], told: Told) -> dict[str, str]:
    """Shards that are damaged and are not mended from their own files, with the sidecar's hash that is listed."""
    listed = {entry.name: (entry.sha256, manifest) for manifest in manifests.values() for entry in manifest.shards}
    found = {}
    for name, (sha256, manifest) in listed.items():
        if not is_whole_shard(index, name, sha256) and not (
            mend_sidecar(index, name, sha256, manifest, told) and is_whole_shard(index, name, sha256)
        ):
            found[name] = sha256
    return found


def lost_versions(index: Path, manifests: Mapping[str, Manifest]) -> list[Path]:
    """Directories of versions whose manifests cannot be mended."""
    return [path for path in paths_in(index, VERSIONS) if path.name not in manifests]
