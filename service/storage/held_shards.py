"""Shards, opened once and held: versions that have the same one share its files, and what was read of them."""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from attridex.indexer.errors import AGAIN, DamageError
from attridex.indexer.held.files import HeldDirectory, HeldFile, Written
from attridex.indexer.index.arrays import read_array
from attridex.indexer.index.layout import FACTORS, INSTANCES, NEURONS, NORMS, PREDICTIONS, SIDECAR
from attridex.indexer.index.paged_vectors import PagedVectors
from attridex.indexer.index.records import FileEntry, ShardEntry, Sidecar, parse_record, unseal
from attridex.indexer.index.shards import Shard
from attridex.indexer.index.vectors import Float32, Part, VectorFile
from attridex.indexer.index.verify import NOT_LISTED, check_file
from attridex.service.storage.shared import Shared

UNREAD = {NEURONS, INSTANCES, FACTORS, PREDICTIONS}
"""Files of a shard that builds read and a server does not."""
Content = TypeVar("Content")


class How(NamedTuple):
    """How files are opened: compared at once or only when they are read, and whether arrays may be mapped, see `HeldFile`."""

    verify: bool
    mapped: bool = False


class HeldShard:
    """A shard's files, for the versions that have it; they are let go with the last of these.

    Attributes:
        entry: how manifests list it.
        directory: the files.
    """

    def __init__(self, path: Path, entry: ShardEntry, how: How) -> None:
        """Open them, for one version.

        Raises:
            DamageError: a file is missing or not what was written.
        """
        self.entry, self._read = entry, dict[str, Any]()
        content, self._sidecar = record(path / SIDECAR, entry.sha256)
        listed = parse_record(Sidecar, unseal(content, path / SIDECAR), path / SIDECAR).files
        if how.verify:
            for name in listed.keys() & UNREAD:
                check_file(path / name, listed[name])
        with ExitStack() as opening:
            self.directory = held_directory(path, {name: listed[name] for name in listed.keys() - UNREAD}, how, opening)
            self._shared = Shared(opening.pop_all())

    def once(self, name: str, read: Callable[[HeldFile], Content]) -> Content:
        """What was read of a file, by whichever version read it first."""
        if name not in self._read:
            self._read.setdefault(name, read(self.directory / name))  # two at once may both read it
        content: Content = self._read[name]
        return content

    def look(self) -> str:
        """What is wrong with the files at their paths, if anything; those that nobody touched are not read again."""
        return wrong_of((self._sidecar, *self.directory.files.values()))

    def more(self) -> None:
        """One more version has it."""
        self._shared.more()

    def close(self) -> None:
        """One version has it no more."""
        self._shared.close()


@dataclass(frozen=True)
class ServedShard(Shard):
    """A shard in its place in a version; its arrays are read once for all versions that have it."""

    held: HeldShard

    def vectors(self, name: str) -> VectorFile:
        """See `Shard`."""
        return self.held.once(name, VectorFile)

    def norms(self, name: str = NORMS) -> Float32:
        """See `Shard`."""
        norms: Float32 = self.held.once(name, read_array)
        return norms

    def part_on_disk(self, name: str, norms: str | None) -> Part:
        """As `part`; the vectors are not kept in memory, but read at each question."""
        return self.part_of(PagedVectors(self.held.directory / name), norms)


def record(path: Path, sha256: str | None = None) -> tuple[bytes, HeldFile]:
    """A record's content, and what looks at it like at every other file.

    Raises:
        DamageError: it is missing, or not the one with this hash.
    """
    try:
        content = path.read_bytes()
    except OSError:
        raise DamageError(f"{path}: missing") from None
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256:
        raise DamageError(f"{path}: {NOT_LISTED}; {AGAIN}")
    file = HeldFile(path, Written(len(content), found))
    file.close()
    return content, file


def held_directory(path: Path, files: Mapping[str, FileEntry], how: How, opening: ExitStack) -> HeldDirectory:
    """A directory whose files are open until `opening` closes.

    Args:
        path: of the directory.
        files: in it, as its record lists them.
        how: they are opened.
        opening: closes them.

    Raises:
        DamageError: one is missing or not what was written.
    """
    held = {}
    for name, entry in files.items():
        file = held[name] = opening.enter_context(closing(HeldFile(path / name, entry.written, mapped=how.mapped)))
        if how.verify:
            file.verify()
    return HeldDirectory(path, held)


def wrong_of(files: "tuple[HeldFile, ...]") -> str:
    """What is wrong with files at their paths, if anything."""
    return next(filter(None, (file.look() for file in files)), "")
