"""The files of a version, opened once and held: all that a server reads of it, it reads through these."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from attridex.indexer.held.locks import Hold
from attridex.indexer.index.directory import read_manifest
from attridex.indexer.index.layout import MANIFEST, shard_dir, version_dir
from attridex.indexer.index.records import Manifest, ShardEntry
from attridex.service.storage.held_shards import HeldShard, How, ServedShard, held_directory, record, wrong_of


class HeldVersion:
    """A version that does not leave the disk, and its files.

    Attributes:
        manifest: how it was made.
        sha256: of the manifest.
        directory: its own files.
        shards: its shards, of held files.
    """

    def __init__(
        self, index: Path, number: str, how: How, shards_how: How | None = None, beside: "HeldVersion | None" = None
    ) -> None:
        """Hold it.

        Args:
            index: its directory.
            number: the version.
            how: its files are opened.
            shards_how: those of its shards are opened; as its own where None.
            beside: a version that is open; shards of it that lie untouched where they were are not opened again.

        Raises:
            DamageError: a file is missing or not what was written.
        """
        path = version_dir(index, number)
        with ExitStack() as opening:
            opening.enter_context(closing(Hold(path)))
            self.manifest: Manifest = read_manifest(index, number)
            self.directory = held_directory(path, self.manifest.files, how, opening)
            known = beside.shards if beside else []
            self.shards: list[ServedShard] = held_shards(index, self.manifest.shards, shards_how or how, opening, known)
            _, self._record = record(path / MANIFEST)
            self.sha256 = self._record.written.sha256
            self._closing = opening.pop_all()

    def look(self) -> str:
        """What is wrong with the files at their paths, if anything; those that nobody touched are not read again."""
        found = (shard.held.look() for shard in self.shards)
        return wrong_of((*self.directory.files.values(), self._record)) or next(filter(None, found), "")

    def close(self) -> None:
        """Let files and version go."""
        self._closing.close()


def held_shards(
    index: Path, entries: Sequence[ShardEntry], how: How, opening: ExitStack, beside: Iterable[ServedShard] = ()
) -> list[ServedShard]:
    """Shards that follow each other, the first one's rows counted from 0.

    Args:
        index: its directory.
        entries: how a manifest lists them.
        how: their files are opened.
        opening: closes them.
        beside: shards that are open; those of them that lie untouched where they were are not opened again.

    Raises:
        DamageError: a file is missing or not what was written.
    """
    known, found, start = {shard.held.entry: shard.held for shard in beside}, list[ServedShard](), 0
    for entry in entries:
        held = opening.enter_context(closing(shared(known.get(entry)) or HeldShard(shard_dir(index, entry.name), entry, how)))
        found.append(ServedShard(held.directory, start, entry.rows, held))
        start += entry.rows
    return found


def shared(known: HeldShard | None) -> HeldShard | None:
    """A shard of another version, for one more; none where its files are no longer what lies there."""
    if known is None or known.look():
        return None
    known.more()
    return known
