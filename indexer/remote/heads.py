"""Heads: what an index in object storage is, as numbered, sealed lists of its files. The newest counts.

URL/objects/<sha256>           the content of a file, by its hash; never changed
URL/heads/<11 digits>.json     `Head`: every file of the index with its size and hash; written where none of that number is there

Of two that write the same number a store takes one, and tells the other: so every head was made knowing the one before it.
"""

import re
from pathlib import Path

from attridex.indexer.errors import BusyError, DamageError, InputError
from attridex.indexer.index.directory import is_cut_off, list_versions, now, read_manifest, read_served
from attridex.indexer.index.records import FileEntry, Record, parse_record, seal, unseal
from attridex.indexer.lifecycle.archive import is_member
from attridex.indexer.lifecycle.snapshots import entry_of, head_contents, listed_files
from attridex.indexer.packages import installed_versions
from attridex.indexer.remote.objects import Objects

OBJECTS, HEADS = "objects", "heads"
_NAME, _HASH = re.compile(rf"{HEADS}/([0-9]{{11}})\.json"), re.compile("[0-9a-f]{64}")


class LostRaceError(BusyError):
    """Another writer published first."""


class Head(Record):
    """heads/<number>.json.

    Attributes:
        number: its own, from 1.
        format: of the index.
        versions: all that are in it, by their numbers.
        created: when, in UTC.
        attridex: version of attridex.
        files: size and SHA-256 of each file of the index, by its path there, sorted.
    """

    number: int
    format: int
    versions: list[str]
    created: str
    attridex: str
    files: dict[str, FileEntry]

    @property
    def hashes(self) -> set[str]:
        """Of all files."""
        return {entry.sha256 for entry in self.files.values()}

    @property
    def content(self) -> bytes:
        """What its object holds."""
        return seal(self.model_dump(mode="json"))


def head_name(number: int) -> str:
    """Where a head lies."""
    return f"{HEADS}/{number:011d}.json"


def object_name(entry: FileEntry) -> str:
    """Where a file's content lies."""
    return f"{OBJECTS}/{entry.sha256}"


def head_numbers(objects: Objects, after: int = 0) -> list[int]:
    """Numbers of the heads that are there, ascending, from behind `after` on."""
    listed = objects.listed(HEADS, head_name(after) if after else None)
    return [int(found[1]) for each in listed if (found := _NAME.fullmatch(each.name))]


def newest_head(objects: Objects, after: int = 0) -> Head | None:
    """The head that counts; None where there is none behind `after`.

    Raises:
        DamageError: it is not what was written.
    """
    numbers = head_numbers(objects, after)
    return read_head(objects, numbers[-1]) if numbers else None


def read_head(objects: Objects, number: int) -> Head:
    """A head.

    Raises:
        MissingObjectError: there is none of that number.
        DamageError: it is not what was written.
        InputError: it names what is no file of an index.
    """
    where = f"{objects.url}/{head_name(number)}"
    content = objects.read(head_name(number))
    try:
        data = unseal(content, Path(where))
    except DamageError:
        raise DamageError(
            f"{where}: damaged (not what was written); `attridex repair {objects.url}` mends it on the machine that wrote it"
        ) from None
    found = parse_record(Head, data, Path(where))
    if found.number != number:
        raise DamageError(f"{where}: damaged (it is head {found.number})")
    for name, entry in found.files.items():
        if not (is_member(name) and _HASH.fullmatch(entry.sha256)):
            raise InputError(f"{where}: lists {name!r}, which is no file of an index; nothing was fetched")
    return found


def described(index: Path, number: int) -> Head:
    """The head that an index directory would be: all versions, but those whose writing was cut off.

    Raises:
        InputError: there is no index, or its build has not finished.
        DamageError: a record is not what was written.
    """
    served = read_served(index)
    known = [each for each in list_versions(index) if not is_cut_off(index, each, served.log)]
    contents = {name: entry_of(content) for name, content in head_contents(index, served.version).items()}
    files = contents | listed_files(index, known)
    return Head(
        number=number,
        format=read_manifest(index, served.version).format,
        versions=known,
        created=now(),
        attridex=installed_versions(["attridex"])["attridex"],
        files={name: FileEntry(bytes=entry.bytes, sha256=entry.sha256) for name, entry in sorted(files.items())},
    )
