"""Snapshots: an index in one file that says of itself whether it is whole, and the index made of it again."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from attridex.indexer.errors import DamageError, InputError
from attridex.indexer.files import check_free, file_hash, take_name, unfinished
from attridex.indexer.index.deletes import Log
from attridex.indexer.index.directory import (
    check_finished,
    current_content,
    is_cut_off,
    list_versions,
    now,
    read_deletes,
    read_manifest,
    read_served,
    read_sidecar,
    write_lock,
)
from attridex.indexer.index.layout import (
    CURRENT,
    CURRENT_COPY,
    DELETES,
    DELETES_COPY,
    MANIFEST,
    MANIFEST_COPY,
    SHARDS,
    SIDECAR,
    SOURCE,
    VERSIONS,
    shard_dir,
    version_dir,
)
from attridex.indexer.index.records import FileEntry, ShardEntry
from attridex.indexer.index.verify import check_file, verify, verify_head, verify_source
from attridex.indexer.lifecycle.archive import END, Snapshot, copied, counted, filling, header, read_list, unpack, write_list
from attridex.indexer.packages import installed_versions
from attridex.indexer.progress import Advance, progress

Files = dict[str, FileEntry]
"""Size and SHA-256 of files by their paths in an index."""


def snapshot(
    index: Path, path: Path, version: str | None = None, *, every: bool = False, show_progress: bool = False
) -> Snapshot:
    """Write an index into one file: a version and its shards, the whole log of deletes, plans, and the rows of a training.

    The index is held for writing meanwhile; servers read on. Each file is compared with its hash as it is copied.

    Args:
        index: the index directory.
        path: of the snapshot; it appears once it is whole.
        version: is in it and served by what is restored; the served one where None.
        every: whether all other versions are in it, too, but those whose writing was cut off.
        show_progress: whether a bar or lines go to stderr.

    Raises:
        InputError: there is no index or no such version, its writing was cut off, or the path is taken or inside the index.
        DamageError: a file of the index is not what was written.
        BusyError: another process writes to the index, or this snapshot.
        AttridexError: it cannot be written.
    """
    read_served(index)
    if path.resolve().is_relative_to(index.resolve()):
        raise InputError(f"{path}: lies inside of the index; a snapshot belongs somewhere else")
    check_free(path)
    with write_lock(index):
        served, known = read_served(index), list_versions(index)
        chosen = version or served.version
        if chosen not in known:
            raise InputError(f"{index}: no version '{chosen}'; there are {', '.join(known)}")
        check_finished(index, chosen, served.log)
        known = [number for number in known if not is_cut_off(index, number, served.log)]
        heads = head_contents(index, chosen)
        found = described(index, chosen, known if every else [chosen], heads)
        with unfinished(path, "writing this snapshot") as temporary:
            with progress("Snapshot", found.bytes >> 20, "MiB", enabled=show_progress) as advance, temporary.open("r+b") as out:
                write_list(out, found)
                pack(out, index, found, heads, advance)
            take_name(temporary, path)
        return found


def restore(path: Path, index: Path, *, show_progress: bool = False) -> Snapshot:
    """Make an index of a snapshot; it appears once everything in it is known to be what was written.

    Args:
        path: of the snapshot.
        index: the index directory, which must not be there.
        show_progress: whether a bar or lines go to stderr.

    Raises:
        InputError: no snapshot is there, it holds what is no file of an index, or the name is taken.
        DamageError: a byte is not what was written.
        BusyError: another process restores to that name.
        AttridexError: it cannot be written.
    """
    check_free(index)
    try:
        stream = path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    with stream:
        found = read_list(stream, path)
        with unfinished(index, "restoring this index", folder=True) as temporary:
            with progress("Restore", found.bytes >> 20, "MiB", enabled=show_progress) as advance:
                unpack(stream, path, found, temporary, advance)
            for checked in verify(temporary):
                if checked.problem:
                    problem = checked.problem.replace(str(temporary), str(index))
                    raise DamageError(f"{path}: the index in it is not whole ({problem}); use another snapshot")
            take_name(temporary, index)
    return found


def described(index: Path, chosen: str, numbers: Sequence[str], heads: Mapping[str, bytes]) -> Snapshot:
    """The list of a snapshot.

    Args:
        index: the index directory.
        chosen: number of the version that is served by what is restored.
        numbers: of all versions in it.
        heads: see `head_contents`.
    """
    files = {name: entry_of(content) for name, content in heads.items()} | listed_files(index, numbers)
    return Snapshot(
        format=read_manifest(index, chosen).format,
        version=chosen,
        versions=list(numbers),
        created=now(),
        attridex=installed_versions(["attridex"])["attridex"],
        files={name: FileEntry(bytes=entry.bytes, sha256=entry.sha256) for name, entry in sorted(files.items())},
    )


def pack(out: BinaryIO, index: Path, found: Snapshot, heads: Mapping[str, bytes], advance: Advance) -> None:
    """Write the files behind the list, each compared with its hash.

    Args:
        out: the snapshot, behind its list.
        index: the index directory.
        found: the list.
        heads: contents of files that are not copied.
        advance: hears of MiB.

    Raises:
        DamageError: a file is not what was written.
    """
    count = counted(advance)
    for name, entry in found.files.items():
        out.write(header(name, entry.bytes))
        with reading(index / name, heads.get(name)) as source:
            if copied(source, out, entry.bytes, count) != entry.sha256 or source.read(1):
                raise DamageError(f"{index / name}: damaged (not what was written); `attridex repair {index}` mends it")
        out.write(filling(entry.bytes))
    out.write(END)


def reading(path: Path, content: bytes | None) -> BinaryIO:
    """A file's bytes, or others in their place.

    Raises:
        DamageError: the file cannot be read.
    """
    try:
        return io.BytesIO(content) if content is not None else path.open("rb")
    except OSError as error:
        raise DamageError(f"{path}: cannot be read ({error.strerror}); `attridex repair` mends it") from None


def head_contents(index: Path, version: str) -> dict[str, bytes]:
    """What CURRENT, the log of deletes and their copies hold where a version is served."""
    log: Log | None = read_deletes(index)
    current = current_content(index, version, log.head if log else None)
    if log is None:
        return {CURRENT: current}
    return {**dict.fromkeys((DELETES_COPY, DELETES), log.content), **dict.fromkeys((CURRENT_COPY, CURRENT), current)}


def entry_of(content: bytes) -> FileEntry:
    """Size and hash of a file of that content."""
    return FileEntry(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def listed_files(index: Path, versions: Sequence[str]) -> Files:
    """The other files of an index of which some versions stay: as records list them, or, of records, as they are.

    Raises:
        DamageError: a record is not what was written.
    """
    files: Files = {}
    heads = [*verify_head(index), *(verify_source(index / SOURCE) if (index / SOURCE).exists() else ())]
    for checked in heads:
        if checked.problem:
            raise DamageError(checked.problem)
        if checked.path.name not in (CURRENT, CURRENT_COPY, DELETES, DELETES_COPY):
            files[checked.path.relative_to(index).as_posix()] = plain_entry(checked.path)
    for number in versions:
        manifest = read_manifest(index, number)
        for shard in manifest.shards:
            files |= shard_files(index, shard)
        place = f"{VERSIONS}/{number}"
        files |= {f"{place}/{name}": entry for name, entry in manifest.files.items()}
        record = plain_entry(version_dir(index, number) / MANIFEST)
        files |= dict.fromkeys((f"{place}/{name}" for name in records_of(manifest.format)), record)
    return files


def records_of(number: int) -> Sequence[str]:
    """Names of the records of a version of a format."""
    return (MANIFEST_COPY, MANIFEST) if number > 2 else (MANIFEST,)


def shard_files(index: Path, shard: ShardEntry) -> Files:
    """The files of a shard, and its sidecar.

    Raises:
        DamageError: the sidecar is not the one that is listed.
    """
    path, place = shard_dir(index, shard.name) / SIDECAR, f"{SHARDS}/{shard.name}"
    sidecar, own = read_sidecar(index, shard.name), plain_entry(path)
    check_file(path, own.model_copy(update={"sha256": shard.sha256}))
    return {**{f"{place}/{name}": entry for name, entry in sidecar.files.items()}, f"{place}/{SIDECAR}": own}


def plain_entry(path: Path) -> FileEntry:
    """Size and hash of a file as it is."""
    return FileEntry(bytes=path.stat().st_size, sha256=file_hash(path))
