"""From a directory to a head: objects that are missing are written in parallel, then the head, where none of its number is."""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from attridex.indexer.errors import DamageError, InputError
from attridex.indexer.index.directory import read_served
from attridex.indexer.index.records import FileEntry
from attridex.indexer.lifecycle.archive import counted
from attridex.indexer.lifecycle.snapshots import head_contents
from attridex.indexer.progress import progress
from attridex.indexer.remote.cache import OLD_SECONDS
from attridex.indexer.remote.fetching import Count, each_of, in_turns
from attridex.indexer.remote.heads import (
    OBJECTS,
    Head,
    LostRaceError,
    described,
    head_name,
    head_numbers,
    newest_head,
    object_name,
    read_head,
)
from attridex.indexer.remote.objects import CHUNK, MissingObjectError, Objects


class Published(NamedTuple):
    """What counts now, and how many objects of how many bytes were written for it."""

    head: Head
    objects: int
    bytes: int


def publish(
    objects: Objects, index: Path, base: Head | None, *, again: Collection[str] = (), show_progress: bool = False
) -> Published:
    """Publish an index as the head behind the one that it was made of; nothing, where it is that one still.

    Args:
        objects: the store.
        index: the index directory; nobody else writes there.
        base: the head that it was made of, if of any.
        again: hashes of objects that are there, but damaged.
        show_progress: whether a bar or lines go to stderr.

    Raises:
        LostRaceError: somebody else has published behind that head.
        DamageError: a file is not what was written.
        AttridexError: the store refuses something.
    """
    found = described(index, base.number + 1 if base else 1)
    wanted = missing(objects, found, again)
    upload(objects, index, wanted, show_progress=show_progress)
    written = Published(found, len(wanted), sum(entry.bytes for entry in wanted.values()))
    if base and found.files == base.files:
        return written._replace(head=base)
    name, content = head_name(found.number), found.content
    if not objects.create(name, content) and objects.read(name) != content:  # it may be ours, and the answer was lost
        raise LostRaceError(f"{objects.url}: another writer has published head {found.number}")
    upload(objects, index, missing(objects, found), show_progress=False)  # should somebody have dropped one meanwhile
    return written


def missing(objects: Objects, head: Head, again: Collection[str] = ()) -> dict[str, FileEntry]:
    """The files of a head whose objects are not there, one for each object."""
    there = {each.name for each in objects.listed(OBJECTS)}
    found = {entry.sha256: name for name, entry in head.files.items() if object_name(entry) not in there or entry.sha256 in again}
    return {name: head.files[name] for name in found.values()}


def upload(objects: Objects, index: Path, files: Mapping[str, FileEntry], *, show_progress: bool) -> None:
    """Write objects.

    Args:
        objects: the store.
        index: the index directory.
        files: of it, by path.
        show_progress: whether a bar or lines go to stderr.
    """
    if not files:
        return
    heads = head_contents(index, read_served(index).version)
    with progress("Upload", sum(entry.bytes for entry in files.values()) >> 20, "MiB", enabled=show_progress) as advance:
        count = in_turns(counted(advance))

        def write(name: str, entry: FileEntry, count: Count) -> None:
            content = heads.get(name)  # as it counts, also where a kill came between a file and its copy
            objects.write(object_name(entry), checked(index / name, entry) if content is None else content, entry.bytes)
            count(entry.bytes)

        each_of([(write, (name, entry, count)) for name, entry in files.items()])


def checked(path: Path, entry: FileEntry) -> Iterator[bytes]:
    """A file's content, some MiB at a time; the last of it comes only where all of it is what was written.

    Raises:
        DamageError: it is not, or cannot be read.
    """
    digest, last = hashlib.sha256(), b""
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                if last:
                    yield last
                last = chunk
    except OSError as error:
        raise DamageError(f"{path}: cannot be read ({error.strerror})") from None
    if digest.hexdigest() != entry.sha256:
        raise DamageError(f"{path}: damaged (not what was written), and was not uploaded; `attridex repair` mends it")
    yield last


def drop_unnamed(objects: Objects) -> int:
    """Remove all heads but the newest, and the objects that it does not name; how many these were.

    What an older head named goes at once. What none ever named may belong to a writer that is about to publish: it goes once
    it is a day old. A writer looks again after it has published, and writes again what has gone meanwhile.
    """
    listed = objects.listed(OBJECTS)
    kept = newest_head(objects)
    if kept is None:
        return 0
    older = [number for number in head_numbers(objects) if number < kept.number]
    named, readable = names_of(objects, older)
    before = datetime.now(UTC) - timedelta(seconds=OLD_SECONDS)
    wanted = {object_name(entry) for entry in kept.files.values()}
    gone = [
        each.name for each in listed if each.name not in wanted and (each.name in named or not readable or each.written < before)
    ]
    objects.remove(gone)
    objects.remove(map(head_name, older))
    return len(gone)


def names_of(objects: Objects, numbers: Collection[int]) -> tuple[set[str], bool]:
    """The objects that some heads name, and whether all of these could be read."""
    named, readable = set[str](), True
    for number in numbers:
        try:
            named |= {object_name(entry) for entry in read_head(objects, number).files.values()}
        except MissingObjectError:  # somebody else removes them, too
            continue
        except (DamageError, InputError):
            readable = False
    return named, readable
