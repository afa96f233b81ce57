"""Checking an index: every byte of every file is covered by a hash or a seal.

`check_file` is the one verification of a file; what is larger is made of it.
"""

from collections.abc import Callable, Iterator, Mapping, Set
from functools import partial
from pathlib import Path
from typing import NamedTuple

from attridex.indexer.errors import AGAIN, DamageError, InputError
from attridex.indexer.files import file_hash, half_written
from attridex.indexer.held.inside import check_tree
from attridex.indexer.index.deletes import Log, parse_log, read_log
from attridex.indexer.index.directory import (
    index_format,
    list_versions,
    parse_current,
    read_current,
    read_deletes,
    read_manifest,
    read_served,
    read_sidecar,
    text_of,
    unlisted_shards,
)
from attridex.indexer.index.layout import (
    BATCHES,
    COPY,
    CURRENT,
    CURRENT_COPY,
    DELETES,
    DELETES_COPY,
    LOCK,
    MANIFEST,
    MANIFEST_COPY,
    PLAN,
    SHARDS,
    SIDECAR,
    SOURCE,
    SOURCE_RECORD,
    VERSIONS,
    paths_in,
    shard_dir,
    version_dir,
)
from attridex.indexer.index.records import FileEntry, Manifest, Sidecar, Source, parse_record, read_sealed

NOT_LISTED = "not the one that the manifest lists"
UNREAD = "questions are answered without it"
"""Of plans and of copies that mend others: an index opens while one of them is damaged."""


class Checked(NamedTuple):
    """A file that was checked, and what is wrong with it, if anything."""

    path: Path
    problem: str | None


def check_file(path: Path, entry: FileEntry) -> None:
    """Compare a file with what was written.

    Raises:
        DamageError: missing, of another size, or with another content.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise DamageError(f"{path}: missing; {AGAIN}") from None
    if size != entry.bytes:
        raise DamageError(f"{path}: {size} bytes, {entry.bytes} were written; {AGAIN}")
    if file_hash(path) != entry.sha256:
        raise DamageError(f"{path}: damaged (its SHA-256 is not the one written); {AGAIN}")


def check_shard(index: Path, name: str, listed: str | None = None) -> Sidecar:
    """Compare every file of a shard with what its sidecar says, and give that; `listed` is the sidecar's hash in a manifest.

    Raises:
        DamageError: one differs.
    """
    sidecar, path = read_sidecar(index, name), shard_dir(index, name) / SIDECAR
    if listed is not None and file_hash(path) != listed:
        raise DamageError(f"{path}: {NOT_LISTED}; {AGAIN}")
    for file, entry in sidecar.files.items():
        check_file(path.parent / file, entry)
    return sidecar


def is_whole_shard(index: Path, name: str, listed: str | None = None) -> bool:
    """Whether a shard is byte for byte what was written; see `check_shard`."""
    return problem_of(partial(check_shard, index, name, listed)) is None


def check_own_files(index: Path, manifest: Manifest) -> None:
    """Compare every file of a version, but those of its shards, with what was written.

    Raises:
        DamageError: one differs.
    """
    for name, entry in manifest.files.items():
        check_file(version_dir(index, manifest.version) / name, entry)


def check_version(index: Path, manifest: Manifest) -> None:
    """Compare every file of a version and of its shards with what was written.

    Raises:
        DamageError: one differs.
    """
    check_own_files(index, manifest)
    for shard in manifest.shards:
        check_shard(index, shard.name, shard.sha256)


def verify(index: Path) -> Iterator[Checked]:
    """Check every file of an index.

    Raises:
        InputError: there is no index.
    """
    if not (index / PLAN).exists() and not (index / CURRENT).exists():
        raise InputError(f"{index}: no attridex index there (no {CURRENT} file)")
    if problem := problem_of(partial(check_tree, index, [index.resolve()])):
        yield Checked(index, problem)
    expected = {index / LOCK}
    for checked in expected_files(index):
        expected.add(checked.path)
        yield checked
    for path in sorted(index.rglob("*")):
        if path.is_file() and path not in expected and not half_written(path, index):
            yield Checked(path, f"{path}: not a file of this index (a killed command left it, or its name was changed)")


def expected_files(index: Path) -> Iterator[Checked]:
    """Check the files that an index should have."""
    yield from verify_head(index)
    if (index / SOURCE).exists():
        yield from verify_source(index / SOURCE)
    listed: dict[str, str] = {}
    for directory in paths_in(index, VERSIONS):
        yield from verify_version(index, directory, listed)
    plans = known_plans(index)
    there = {path.name for path in paths_in(index, SHARDS)}
    for name in sorted({*listed, *there - left_over(index)}):
        yield from verify_shard(index, name, listed.get(name), plans)


def left_over(index: Path) -> set[str]:
    """Shards of no version, which a repair that was cut off left; none where a manifest is damaged, which is told by itself.

    Their files are none of this index: they may hold text that a compaction has removed.
    """
    try:
        return {path.name for path in unlisted_shards(index)}
    except (DamageError, InputError):
        return set()


def known_plans(index: Path) -> set[str]:
    """Hashes of the plans that shards may be of; none where the first build's is damaged, which is told by itself."""
    if problem_of(partial(read_sealed, index / PLAN)):
        return set()
    paths = (index / PLAN, *paths_in(index, BATCHES))
    return {file_hash(path) for path in paths if not problem_of(partial(file_hash, path))}


def verify_version(index: Path, directory: Path, listed: dict[str, str]) -> Iterator[Checked]:
    """Check a version's own files, by its manifest or where that is damaged by its copy; `listed` hears of its shards."""
    path, problem = directory / MANIFEST, None
    try:
        manifest: Manifest | None = read_manifest(index, directory.name)
    except (DamageError, InputError) as error:
        manifest, problem = copied_manifest(directory), str(error)
    yield Checked(path, problem)
    if manifest is None:
        return
    if manifest.format > 2:
        copy = directory / MANIFEST_COPY
        yield Checked(copy, None if problem else unread(problem_of(partial(check_copy, copy, path))))
    listed |= {entry.name: entry.sha256 for entry in manifest.shards}
    yield from verify_files(directory, manifest.files)


def copied_manifest(directory: Path) -> Manifest | None:
    """A version's manifest from its copy; None where that is none."""
    path = directory / MANIFEST_COPY
    try:
        return parse_record(Manifest, read_sealed(path), path)
    except (DamageError, InputError):
        return None


def verify_head(index: Path) -> Iterator[Checked]:
    """Check CURRENT, plan.json, the plans of batches, and the log of deletes."""
    found = problem_of(partial(read_current, index)) or problem_of(partial(read_deletes, index))
    yield Checked(index / CURRENT, found if found and str(index / CURRENT) in found else None)
    yield Checked(index / PLAN, unread(problem_of(partial(check_plan, index))))
    for path in dict.fromkeys(path.with_suffix(".json") for path in paths_in(index, BATCHES)):
        copy = path.with_suffix(COPY)
        if path.exists() or not is_begun(index, copy):
            yield Checked(path, unread(problem_of(partial(read_sealed, path))))
        yield Checked(copy, unread(problem_of(partial(check_copy, copy, path))) if path.exists() else None)
    if index_format(index) > 2:
        yield Checked(index / CURRENT_COPY, unread(problem_of(partial(check_current_copy, index))))
        yield from verify_log(index)


def check_plan(index: Path) -> None:
    """Check plan.json by its seal, and where later batches came in by its copy there.

    Raises:
        DamageError: it is not what was written.
    """
    read_sealed(index / PLAN)
    first = index / BATCHES / "1.json"
    if first.exists() and not problem_of(partial(read_sealed, first)):
        check_copy(index / PLAN, first)


def is_begun(index: Path, copy: Path) -> bool:
    """Whether a batch, whose copy alone is there, was cut off when nothing of it counted: its plan is written behind its copy."""
    try:
        ends = [read_manifest(index, number).corpus.instances for number in list_versions(index)]
        settings = read_sealed(copy)  # the first build's plan, which is copied before a batch's, has no start
        start: int = settings["start"] if "start" in settings else settings["instances"]
        return start >= max(ends, default=0)
    except (DamageError, InputError, KeyError):
        return False


def verify_log(index: Path) -> Iterator[Checked]:
    """Check the log of deletes and its copy against CURRENT, or where that is damaged each by itself."""
    for name in (DELETES, DELETES_COPY):
        try:
            head = read_served(index).log
        except (DamageError, InputError):
            head = None
        path = index / name
        check = partial(read_log, index, head, name) if head else partial(read_alone, path)
        yield Checked(path, problem_of(check))


def read_alone(path: Path) -> Log:
    """A log by itself."""
    if not path.is_file():
        raise DamageError(f"{path}: missing")
    return parse_log(path.read_bytes(), path)


def check_current_copy(index: Path) -> None:
    """Compare CURRENT's copy with it; the copy may be of a later write that was cut off before it was acknowledged.

    Raises:
        DamageError: it is missing, or none of these.
    """
    path = index / CURRENT_COPY
    copy, current = parse_current(text_of(path)), parse_current(text_of(index / CURRENT))
    if copy and copy.log and current and current.log and copy.log.seq >= current.log.seq:
        checks: tuple[Callable[[], object], ...] = (
            partial(read_served, index, CURRENT_COPY),
            partial(read_log, index, copy.log, DELETES_COPY),
        )
        if not any(map(problem_of, checks)):
            return
    check_copy(path, index / CURRENT)


def check_copy(path: Path, of: Path) -> None:
    """Compare a copy with what it mends.

    Raises:
        DamageError: it is missing, or another.
    """
    try:
        if path.read_bytes() == of.read_bytes():
            return
    except FileNotFoundError as error:
        what = "missing" if error.filename == str(path) else f"all that is left of {of.name}"
        raise DamageError(f"{path}: {what}; {AGAIN}") from None
    except OSError as error:
        raise DamageError(f"{path}: cannot be read ({error.strerror})") from None
    raise DamageError(f"{path}: damaged, or not of the same write as {of.name}; {AGAIN}")


def verify_source(directory: Path) -> Iterator[Checked]:
    """Check what a training's script handed over."""
    path = directory / SOURCE_RECORD
    try:
        source = parse_record(Source, read_sealed(path), path)
    except (DamageError, InputError) as error:
        yield Checked(path, str(error))
        return
    yield Checked(path, None)
    yield from verify_files(directory, source.files)


def verify_shard(index: Path, name: str, listed: str | None, plans: Set[str]) -> Iterator[Checked]:
    """Check a shard: its sidecar against the manifest's hash, its files against the sidecar.

    Args:
        index: the index directory.
        name: of the shard.
        listed: hash of its sidecar in a manifest; None where none lists it.
        plans: that it may have been signed from; any where there is none.
    """
    path = shard_dir(index, name) / SIDECAR
    try:
        sidecar = read_sidecar(index, name)
    except (DamageError, InputError) as error:
        yield Checked(path, str(error))
        return
    problem = None
    if listed is not None and file_hash(path) != listed:
        problem = f"{path}: {NOT_LISTED}; {AGAIN}"
    elif plans and sidecar.plan not in plans:
        problem = unread(f"{path}: the plan that it was signed from is not here any more; a snapshot may have it in {BATCHES}/")
    yield Checked(path, problem)
    yield from verify_files(path.parent, sidecar.files)


def verify_files(directory: Path, files: Mapping[str, FileEntry]) -> Iterator[Checked]:
    """Check files of a directory."""
    for name, entry in files.items():
        yield Checked(directory / name, problem_of(partial(check_file, directory / name, entry)))


def unread(problem: str | None) -> str | None:
    """What is wrong with a file that no question needs, if anything."""
    return problem and f"{problem} ({UNREAD})"


def problem_of(check: Callable[[], object]) -> str | None:
    """What a check finds wrong, if anything."""
    try:
        check()
    except (DamageError, InputError) as error:
        return str(error)
    except OSError as error:
        return f"{error.filename}: cannot be read ({error.strerror})"
    return None
