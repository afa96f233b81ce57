"""Checking an index: every byte of every file is covered by a hash or a seal."""

from collections.abc import Iterator
from pathlib import Path

from attridex.indexer.errors import DamageError, InputError
from attridex.indexer.index.layout import (
    CURRENT,
    LOCK,
    MANIFEST,
    PLAN,
    SHARDS,
    SIDECAR,
    VERSIONS,
    FileEntry,
    check_file,
    file_hash,
    list_versions,
    read_current,
    read_manifest,
    read_sealed,
    read_sidecar,
)


def verify(index: Path) -> Iterator[tuple[Path, str | None]]:
    """Check every file of an index.

    Yields:
        (file, what is wrong with it, or None).

    Raises:
        InputError: there is no index.
    """
    if not (index / PLAN).exists() and not (index / CURRENT).exists():
        raise InputError(f"{index}: no attridex index there (no {CURRENT} file)")
    expected = {index / LOCK}
    listed: dict[str, str] = {}
    for path, problem in verify_head(index):
        expected.add(path)
        yield path, problem
    for number in list_versions(index):
        path = index / VERSIONS / number / MANIFEST
        expected.add(path)
        try:
            manifest = read_manifest(index, number)
        except (DamageError, InputError) as error:
            yield path, str(error)
            continue
        yield path, None
        listed |= {entry.name: entry.sha256 for entry in manifest.shards}
        for file, entry in manifest.files.items():
            expected.add(path.parent / file)
            yield path.parent / file, problem_of(path.parent / file, entry)
    for name in sorted({*listed, *(path.name for path in (index / SHARDS).glob("[0-9]*"))}):
        for path, problem in verify_shard(index, name, listed.get(name)):
            expected.add(path)
            yield path, problem
    for path in sorted(index.rglob("*")):
        if path.is_file() and path not in expected:
            yield path, f"{path}: not a file of this index (left over, or its name was changed)"


def verify_head(index: Path) -> Iterator[tuple[Path, str | None]]:
    """Check CURRENT and plan.json."""
    try:
        read_current(index)
        problem = None
    except (DamageError, InputError) as error:
        problem = str(error)
    yield index / CURRENT, problem
    try:
        read_sealed(index / PLAN)
        problem = None
    except DamageError as error:
        problem = str(error)
    yield index / PLAN, problem


def verify_shard(index: Path, name: str, listed: str | None) -> Iterator[tuple[Path, str | None]]:
    """Check a shard: its sidecar against the manifest's hash, its files against the sidecar."""
    directory = index / SHARDS / name
    sidecar_path = directory / SIDECAR
    try:
        sidecar = read_sidecar(index, name)
    except DamageError as error:
        yield sidecar_path, str(error)
        return
    changed = listed is not None and file_hash(sidecar_path) != listed
    yield sidecar_path, f"{sidecar_path}: not the one that the manifest lists" if changed else None
    for file, entry in sidecar.files.items():
        yield directory / file, problem_of(directory / file, entry)


def problem_of(path: Path, entry: FileEntry) -> str | None:
    """What is wrong with a file, if anything."""
    try:
        check_file(path, entry)
    except DamageError as error:
        return str(error)
    return None
