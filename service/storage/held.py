"""The files of a version, opened once and held: all that a server reads of it, it reads through these."""

import hashlib
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path

from attridex.indexer.errors import AGAIN, DamageError
from attridex.indexer.held.files import HeldDirectory, HeldFile, Written
from attridex.indexer.held.locks import Hold
from attridex.indexer.index.directory import read_manifest
from attridex.indexer.index.layout import FACTORS, INSTANCES, MANIFEST, NEURONS, PREDICTIONS, SIDECAR, shard_dir, version_dir
from attridex.indexer.index.records import FileEntry, Manifest, ShardEntry, Sidecar, parse_record, unseal
from attridex.indexer.index.shards import Shard
from attridex.indexer.index.verify import NOT_LISTED, check_file

UNREAD = {NEURONS, INSTANCES, FACTORS, PREDICTIONS}
"""Files of a shard that builds read and a server does not."""


class HeldVersion:
    """A version that does not leave the disk, and its files.

    Attributes:
        manifest: how it was made.
        sha256: of the manifest.
        directory: its own files.
        shards: its shards, of held files.
    """

    def __init__(self, index: Path, number: str, *, verify: bool, mapped: bool = False) -> None:
        """Hold it.

        Args:
            index: its directory.
            number: the version.
            verify: read every file now and compare it; else what is read is compared when it is read.
            mapped: whether arrays may be mapped, see `HeldFile`.

        Raises:
            DamageError: a file is missing or not what was written.
        """
        self._verify, self._mapped = verify, mapped
        self._files: list[HeldFile] = []
        with ExitStack() as opening:
            opening.enter_context(closing(Hold(version_dir(index, number))))
            self.manifest: Manifest = read_manifest(index, number)
            self.directory = self._directory(version_dir(index, number), self.manifest.files, opening)
            self.shards: list[Shard] = []
            for entry in self.manifest.shards:
                start = self.shards[-1].stop if self.shards else 0
                self.shards.append(self._shard(shard_dir(index, entry.name), entry, start, opening))
            self.sha256 = hashlib.sha256(self._own(version_dir(index, number) / MANIFEST, None)).hexdigest()
            self._closing = opening.pop_all()

    def _shard(self, path: Path, entry: ShardEntry, start: int, opening: ExitStack) -> Shard:
        content = self._own(path / SIDECAR, entry.sha256)
        sidecar = parse_record(Sidecar, unseal(content, path / SIDECAR), path / SIDECAR)
        files = {name: file for name, file in sidecar.files.items() if name not in UNREAD}
        if self._verify:
            for name in sidecar.files.keys() - files.keys():
                check_file(path / name, sidecar.files[name])
        return Shard(self._directory(path, files, opening), start, entry.rows)

    def _own(self, path: Path, sha256: str | None) -> bytes:
        """A record's content, which is looked at like every other file."""
        try:
            content = path.read_bytes()
        except OSError:
            raise DamageError(f"{path}: missing") from None
        found = hashlib.sha256(content).hexdigest()
        if sha256 is not None and found != sha256:
            raise DamageError(f"{path}: {NOT_LISTED}; {AGAIN}")
        record = HeldFile(path, Written(len(content), found))
        record.close()
        self._files.append(record)
        return content

    def _directory(self, path: Path, files: Mapping[str, FileEntry], opening: ExitStack) -> HeldDirectory:
        held = {}
        for name, entry in files.items():
            file = held[name] = opening.enter_context(closing(HeldFile(path / name, entry.written, mapped=self._mapped)))
            if self._verify:
                file.verify()
            self._files.append(file)
        return HeldDirectory(path, held)

    def look(self) -> str:
        """What is wrong with the files at their paths, if anything; those that nobody touched are not read again."""
        return next(filter(None, (file.look() for file in self._files)), "")

    def close(self) -> None:
        """Let files and version go."""
        self._closing.close()
