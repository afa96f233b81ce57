"""The file of a snapshot: a tar with the files of an index behind a sealed list of them, from which every other byte follows.

So it is read by comparing. Whatever is not as the list gives it (a header, a length, what fills a block, the end) is damage, and
nothing is unpacked that the list does not name; `tar` reads it, too.
"""

import fnmatch
import hashlib
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from attridex.indexer.errors import DamageError, InputError
from attridex.indexer.index.layout import (
    BATCHES,
    CURRENT,
    CURRENT_COPY,
    DELETES,
    DELETES_COPY,
    PLAN,
    SHARD_FILES,
    SHARDS,
    SOURCE,
    VERSION_FILES,
    VERSIONS,
    is_named,
)
from attridex.indexer.index.records import FileEntry, Record, parse_record, seal, unseal
from attridex.indexer.progress import Advance

FORM = 1
"""Number of the form that is written and read."""
LIST = "snapshot.json"
END = bytes(2 * tarfile.BLOCKSIZE)
CHUNK = 1 << 20
"""Bytes that are copied at a time."""
ROOT_FILES = (CURRENT, CURRENT_COPY, DELETES, DELETES_COPY, PLAN)


class Snapshot(Record):
    """snapshot.json, a snapshot's first member.

    Attributes:
        form: of the snapshot.
        format: of the index.
        version: the served one, by its number.
        versions: all that are in it.
        created: when, in UTC.
        attridex: version of attridex.
        files: size and SHA-256 of each file of the index, by its path there, sorted: the order of the tar.
    """

    form: int = FORM
    format: int
    version: str
    versions: list[str]
    created: str
    attridex: str
    files: dict[str, FileEntry]

    @property
    def bytes(self) -> int:
        """Of all files together."""
        return sum(entry.bytes for entry in self.files.values())


def header(name: str, size: int) -> bytes:
    """What stands before a file's content: the same for the same name and size."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def filling(size: int) -> bytes:
    """What stands behind the content of a file of so many bytes."""
    return bytes(-size % tarfile.BLOCKSIZE)


def write_list(stream: BinaryIO, snapshot: Snapshot) -> None:
    """Write the first member."""
    content = seal(snapshot.model_dump(mode="json"))
    stream.write(header(LIST, len(content)) + content + filling(len(content)))


def read_list(stream: BinaryIO, path: Path) -> Snapshot:
    """Read the first member of the snapshot at a path.

    Raises:
        InputError: it is no snapshot, one of a newer form, or one that lists what is no file of an index.
        DamageError: the list is not what was written.
    """
    start = stream.read(tarfile.BLOCKSIZE)
    try:
        size = tarfile.TarInfo.frombuf(start, "utf-8", "strict").size
    except (tarfile.HeaderError, UnicodeDecodeError):
        raise InputError(f"{path}: no snapshot of an index, or its beginning is damaged") from None
    if start != header(LIST, size) or not 0 <= size <= path.stat().st_size:
        raise InputError(f"{path}: no snapshot of an index, or its beginning is damaged (its first member must be {LIST})")
    try:
        data = unseal(stream.read(size), path)
    except DamageError:
        raise DamageError(f"{path}: damaged (its list is not what was written); use another snapshot") from None
    expect(stream, filling(size), path, LIST)
    if data.get("form") != FORM:
        raise InputError(
            f"{path}: a snapshot of form {data.get('form')}, this attridex reads {FORM}; restore it with a newer one"
        )
    found = parse_record(Snapshot, data, path)
    for name in found.files:
        if not is_member(name):
            raise InputError(f"{path}: lists {name!r}, which is no file of an index; nothing was restored")
    return found


def is_member(name: str) -> bool:
    """Whether a path is that of a file that an index may have; none that leads out of it is."""
    first, *inner = name.split("/")
    if any(part in ("", ".", "..") or "\0" in part or "\\" in part for part in inner):
        return False
    if first in (SHARDS, VERSIONS) and len(inner) == 2:
        kinds = SHARD_FILES if first == SHARDS else VERSION_FILES
        return is_named(first, inner[0]) and any(fnmatch.fnmatchcase(inner[1], kind.name) for kind in kinds)
    if first == BATCHES:
        return len(inner) == 1 and is_named(first, inner[0])
    return bool(inner) if first == SOURCE else name in ROOT_FILES


def unpack(stream: BinaryIO, path: Path, snapshot: Snapshot, target: Path, advance: Advance) -> None:
    """Write the files behind the list below a directory, each compared with its hash.

    Args:
        stream: of the snapshot, behind its list.
        path: of the snapshot, for messages.
        snapshot: the list.
        target: the directory.
        advance: hears of MiB.

    Raises:
        DamageError: a byte is not what was written.
    """
    count = counted(advance)
    for name, entry in snapshot.files.items():
        expect(stream, header(name, entry.bytes), path, name)
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        with (target / name).open("xb") as file:
            if copied(stream, file, entry.bytes, count) != entry.sha256:
                raise DamageError(f"{path}: damaged ({name} is not what was written); use another snapshot")
        expect(stream, filling(entry.bytes), path, name)
    expect(stream, END, path, "its end")
    if stream.read(1):
        raise DamageError(f"{path}: damaged (it goes on behind its end); use another snapshot")


def expect(stream: BinaryIO, content: bytes, path: Path, where: str) -> None:
    """Refuse anything else than some bytes.

    Args:
        stream: of the snapshot, before them.
        content: those that belong there.
        path: of the snapshot, for messages.
        where: they stand, in words.

    Raises:
        DamageError: something else stands there, or nothing.
    """
    found = stream.read(len(content))
    if found != content:
        how = "cut short" if len(found) < len(content) else "damaged"
        raise DamageError(f"{path}: {how} (at {where}); use another snapshot")


def copied(source: BinaryIO, target: BinaryIO, size: int, count: Callable[[int], None]) -> str:
    """Copy bytes, and give the SHA-256 of them: another one where the source has fewer.

    Args:
        source: is read from where it stands.
        target: is written to.
        size: how many bytes.
        count: hears of bytes.
    """
    digest = hashlib.sha256()
    for chunk in chunks(source, size):
        target.write(chunk)
        digest.update(chunk)
        count(len(chunk))
    return digest.hexdigest()


def chunks(source: BinaryIO, size: int) -> Iterator[bytes]:
    """So many bytes, or as many as there are, a part at a time."""
    while size > 0 and (chunk := source.read(min(size, CHUNK))):
        size -= len(chunk)
        yield chunk


def counted(advance: Advance) -> Callable[[int], None]:
    """What hears of bytes and tells of whole MiB."""
    seen = 0

    def count(size: int) -> None:
        nonlocal seen
        before, seen = seen, seen + size
        if more := (seen >> 20) - (before >> 20):
            advance(more)

    return count
