"""What this machine keeps of an index in object storage: its objects by hash, the directory that is changed, readers'.

CACHE/<hash of the URL>/url             the URL
CACHE/<hash of the URL>/objects/        objects of the newest head that was seen, by their SHA-256
CACHE/<hash of the URL>/index/NAME/     the index as commands change it here, held by .lock beside it
CACHE/<hash of the URL>/base.json       the head that it was made of
CACHE/<hash of the URL>/kept/           changes that another writer was faster than; nobody removes them but the user
CACHE/<hash of the URL>/readers/<n>/    what one process reads; its lock goes with the process
"""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from attridex.indexer.errors import AttridexError, BusyError
from attridex.indexer.files import alone, file_hash, linked, replace_file, temporary_beside
from attridex.indexer.index.records import FileEntry
from attridex.indexer.remote.named import CACHE
from attridex.indexer.remote.urls import name_of

NEW_SECONDS = 60.0
"""How long a reader may take from making its directory to locking it."""
OLD_SECONDS = 86400.0
"""After which an object that is half written, or that nobody names, is no longer being written."""


def cache_directory() -> Path:
    """Where this machine keeps what it fetched."""
    named = os.environ.get(CACHE)
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "attridex"


class Cache:
    """What is kept of one URL.

    Attributes:
        url: whose.
        directory: where commands change the index.
        base: what holds the head that `directory` was made of.
    """

    def __init__(self, url: str) -> None:
        """Make its folders.

        Raises:
            AttridexError: the disk refuses that.
        """
        self.url = url
        self._root = cache_directory() / hashlib.sha256(url.encode()).hexdigest()[:16]
        self.directory, self.base = self._root / "index" / name_of(url), self._root / "base.json"
        self._objects = self._root / "objects"
        try:
            self._objects.mkdir(parents=True, exist_ok=True)
            (self._root / "url").write_text(f"{url}\n")
        except OSError as error:
            raise AttridexError(f"{self._root}: cannot be written ({error.strerror}); --cache names another place") from None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the directory that is changed against other processes of this machine.

        Raises:
            BusyError: another one changes it.
        """
        with alone(self._root / "index" / ".lock", "changing this index", named=self.directory):
            yield

    def take(self, entry: FileEntry, target: Path) -> bool:
        """Link an object to a path, where it is here and is what was written."""
        kept = self._objects / entry.sha256
        try:
            if kept.stat().st_size != entry.bytes or file_hash(kept) != entry.sha256:
                return False
            linked(kept, target)
        except OSError:  # not there, or removed meanwhile
            return False
        return True

    def keep(self, entry: FileEntry, source: Path) -> None:
        """Keep a file, which is whole, as an object; what cannot be kept is fetched again."""
        kept = self._objects / entry.sha256
        temporary = kept.with_name(f".{entry.sha256}.{os.urandom(4).hex()}.tmp")
        with suppress(OSError):
            linked(source, temporary)
            os.replace(temporary, kept)  # does nothing where both are the same file
            temporary.unlink(missing_ok=True)

    def has(self, entry: FileEntry) -> bool:
        """Whether an object of that size is here."""
        try:
            return (self._objects / entry.sha256).stat().st_size == entry.bytes
        except OSError:
            return False

    def drop_others(self, hashes: Collection[str]) -> None:
        """Keep these objects alone: no text that was removed from the index stays here."""
        for path in self._objects.iterdir():
            with suppress(OSError):
                if path.name not in hashes and not (
                    path.name.startswith(".") and time.time() - path.stat().st_mtime < OLD_SECONDS
                ):
                    path.unlink()

    @contextmanager
    def fresh(self) -> Iterator[Path]:
        """A directory that takes the place of the changed one once the block ends well."""
        temporary, old = temporary_beside(self.directory), self.directory.with_name(f".{self.directory.name}.old.tmp")
        for path in (temporary, old):
            shutil.rmtree(path, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            yield temporary
            self.base.unlink(missing_ok=True)
            if self.directory.exists():
                self.directory.rename(old)
            temporary.rename(self.directory)
        finally:
            for path in (temporary, old):
                shutil.rmtree(path, ignore_errors=True)

    def set_base(self, content: bytes) -> None:
        """Say what head the changed directory is."""
        replace_file(self.base, content)

    def put_aside(self) -> Path:
        """Move the changed directory away, so that the next command begins with what is published; where it is now."""
        number = 1
        while (kept := self._root / "kept" / f"{self.directory.name}-{number}").exists():
            number += 1
        kept.parent.mkdir(exist_ok=True)
        self.base.unlink(missing_ok=True)
        self.directory.rename(kept)
        return kept

    @contextmanager
    def reader(self) -> Iterator[Path]:
        """A directory for this process alone, of the index's name; it goes with the block, or later if the process is killed."""
        readers = self._root / "readers"
        readers.mkdir(exist_ok=True)
        sweep(readers)
        own = Path(tempfile.mkdtemp(dir=readers))
        with alone(own, "reading"):
            try:
                (own / self.directory.name).mkdir()
                yield own / self.directory.name
            finally:
                shutil.rmtree(own, ignore_errors=True)


def sweep(readers: Path) -> None:
    """Remove what killed readers left."""
    for left in readers.iterdir():
        with suppress(BusyError, OSError):
            if time.time() - left.stat().st_mtime > NEW_SECONDS:
                with alone(left, "reading"):
                    shutil.rmtree(left, ignore_errors=True)
