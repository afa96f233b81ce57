"""The files of a version, opened once and held: all that a server reads of it, it reads through these."""

from contextlib import ExitStack, closing
from pathlib import Path

from attridex.indexer.held.locks import Hold
from attridex.indexer.index.directory import read_manifest
from attridex.indexer.index.layout import MANIFEST, shard_dir, version_dir
from attridex.indexer.index.records import Manifest
from attridex.service.storage.held_shards import HeldShard, How, ServedShard, held_directory, record, wrong_of


class HeldVersion:
    """A version that does not leave the disk, and its files.

    Attributes:
        manifest: how it was made.
        sha256: of the manifest.
        directory: its own files.
        shards: its shards, of held files.
    """

    def __init__(self, index: Path, number: str, how: How, beside: "HeldVersion | None" = None) -> None:
        """Hold it.

        Args:
            index: its directory.
            number: the version.
            how: its files are opened.
            beside: a version that is open; shards of it that lie untouched where they were are not opened again.

        Raises:
            DamageError: a file is missing or not what was written.
        """
        path = version_dir(index, number)
        with ExitStack() as opening:
            opening.enter_context(closing(Hold(path)))
            self.manifest: Manifest = read_manifest(index, number)
            self.directory = held_directory(path, self.manifest.files, how, opening)
            known = {shard.held.entry: shard.held for shard in beside.shards} if beside else {}
            self.shards: list[ServedShard] = []
            for entry in self.manifest.shards:
                held = opening.enter_context(
                    closing(shared(known.get(entry)) or HeldShard(shard_dir(index, entry.name), entry, how))
                )
                start = self.shards[-1].stop if self.shards else 0
                self.shards.append(ServedShard(held.directory, start, entry.rows, held))
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


def shared(known: HeldShard | None) -> HeldShard | None:
    """A shard of another version, for one more; none where its files are no longer what lies there."""
    if known is None or known.look():
        return None
    known.more()
    return known
