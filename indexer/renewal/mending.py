"""Mending the records of an index, each from its copy or from what else is whole; no model is needed."""

import hashlib
import shutil
from collections.abc import Iterable, Mapping, Sequence, Set
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


def mend_plans(index: Path, manifests: Mapping[str, Manifest], told: Told) -> None:
    """Write the plans of the first build and of each batch again, each from a copy or, of the first build, from a manifest.

    Of several the one counts that the batch's shards name: another index's is sealed, too.

    Raises:
        DamageError: no manifest gives the plan that the shards were built from.
    """
    named = named_plans(index, manifests)
    mend_plan(index, manifests, named, told)
    for name in dict.fromkeys(path.stem for path in paths_in(index, BATCHES)):
        path = index / BATCHES / f"{name}.json"
        pair = (path, path.with_suffix(COPY))
        content = best(sealed_of([index / PLAN] if name == "1" else pair), named)
        for each in pair if content else ():
            if content and read_bytes(each) != content:
                put(each, content)
                told.append(f"{each}: from {PLAN if name == '1' else 'the other of the two'}")


def mend_plan(index: Path, manifests: Mapping[str, Manifest], named: Set[str], told: Told) -> None:
    """Write plan.json again; see `mend_plans`.

    Args:
        index: the index directory.
        manifests: of its versions by number.
        named: hashes of the plans that shards name.
        told: hears that it was mended.
    """
    own = sealed_of([index / PLAN, *(index / BATCHES / f"1{suffix}" for suffix in (".json", COPY))])
    made = [seal(settings_of(manifest)) for manifest in reversed(list(manifests.values()))]
    content = best([*own, *(each for each in made if digest(each) in named or not named)], named)
    if content is None:
        raise DamageError(f"{index / PLAN}: cannot be mended (no manifest gives the settings that the shards were built from)")
    if read_bytes(index / PLAN) != content:
        put(index / PLAN, content)
        told.append(f"{index / PLAN}: from {'its copy' if content in own else 'a manifest'}")


def named_plans(index: Path, manifests: Mapping[str, Manifest]) -> set[str]:
    """Hashes of the plans that shards were signed from, as those records of them say that a manifest lists."""
    listed = {entry.name: entry.sha256 for manifest in manifests.values() for entry in manifest.shards}
    whole = [name for name, sha256 in listed.items() if digest(read_bytes(shard_dir(index, name) / SIDECAR) or b"") == sha256]
    return set(filter(None, (plan_of(index, name) for name in whole)))


def sealed_of(paths: Iterable[Path]) -> list[bytes]:
    """Contents of those records that are sealed."""
    return [content for path in paths if (content := read_bytes(path)) and is_sealed(content, path)]


def best(contents: Sequence[bytes], named: Set[str]) -> bytes | None:
    """The first content whose hash is named, or the first of all; None where there is none."""
    return next((content for content in contents if digest(content) in named), next(iter(contents), None))


def digest(content: bytes) -> str:
    """SHA-256 of a content."""
    return hashlib.sha256(content).hexdigest()


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
        if digest(content) == listed:
            put(path, content)
            told.append(f"{path}: from the shard's files")
            return True
    return False


def sidecar_of(index: Path, name: str, number: int, manifest: Manifest, place: Path | None = None) -> Sidecar:
    """The sidecar that a shard's files give.

    Args:
        index: the index directory.
        name: of the shard.
        number: of the sidecar's format.
        manifest: that lists the shard.
        place: where its files lie while they are written.
    """
    directory = place or shard_dir(index, name)
    start, stop = map(int, name.partition(".")[0].split("-"))
    files = {file: entry for file, entry in file_entries(directory, number).items() if file != SIDECAR}
    table = read_table(directory / "instances.parquet", ["tokens", "truncated"])
    listed = next(entry for entry in manifest.shards if entry.name == name)
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
        **({"since": listed.since} if number > 2 else {}),
        **({"parts": listed.parts} if listed.parts else {}),
    )


def damaged_shards(index: Path, manifests: Mapping[str, Manifest], told: Told) -> dict[str, Manifest]:
    """Shards that are damaged and are not mended from their own files, with the last version that lists each."""
    listed = {entry.name: (entry.sha256, manifest) for manifest in manifests.values() for entry in manifest.shards}
    found: dict[str, Manifest] = {}
    for name, (sha256, manifest) in listed.items():
        if not is_whole_shard(index, name, sha256) and not (
            mend_sidecar(index, name, sha256, manifest, told) and is_whole_shard(index, name, sha256)
        ):
            found[name] = manifest
    return found


def lost_versions(index: Path, manifests: Mapping[str, Manifest]) -> list[Path]:
    """Directories of versions whose manifests cannot be mended."""
    return [path for path in paths_in(index, VERSIONS) if path.name not in manifests]
