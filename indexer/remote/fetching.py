"""From a head to a directory: files are linked from the cache, or fetched in parallel, each compared with its hash."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from attridex.indexer.errors import AttridexError, DamageError
from attridex.indexer.files import temporary_beside
from attridex.indexer.index.layout import CURRENT, CURRENT_COPY, DELETES, DELETES_COPY, MANIFEST
from attridex.indexer.index.records import FileEntry
from attridex.indexer.lifecycle.archive import counted
from attridex.indexer.progress import progress
from attridex.indexer.remote.cache import Cache
from attridex.indexer.remote.heads import Head, object_name
from attridex.indexer.remote.objects import MissingObjectError, Objects

CONNECTIONS = 8
"""Objects that are fetched or written at a time."""
LAST = (DELETES_COPY, DELETES, CURRENT_COPY, CURRENT)
"""What is put in place when all else is, in this order, as whoever changes an index writes it."""

Count = Callable[[int], None]


class Fetching:
    """Fetches files of heads into a directory."""

    def __init__(self, objects: Objects, cache: Cache, *, lenient: bool = False, trust_cache: bool = True) -> None:
        """Fetch from there.

        Args:
            objects: the store.
            cache: of this machine.
            lenient: whether files are left out whose objects are missing or damaged.
            trust_cache: whether what is in the cache, and whole, is not fetched.
        """
        self._objects, self._cache, self._lenient, self._trust = objects, cache, lenient, trust_cache

    def fetch(self, files: Mapping[str, FileEntry], directory: Path, *, show_progress: bool = False) -> None:
        """Put files in place, CURRENT last; a reader of the directory sees each of them whole.

        Args:
            files: by their paths in the index.
            directory: the index directory.
            show_progress: whether a bar or lines go to stderr.

        Raises:
            DamageError: an object is missing or damaged; it is named.
            AttridexError: the store or the disk refuses something.
        """
        last = [name for name in files if Path(name).name == MANIFEST] + [name for name in LAST if name in files]
        first = [name for name in files if name not in last]
        total = sum(entry.bytes for entry in files.values()) >> 20
        with progress("Fetch", total, "MiB", enabled=show_progress) as advance:
            count = in_turns(counted(advance))
            each_of([(self._place, (files[name], directory / name, count)) for name in first])
            for name in last:
                self._place(files[name], directory / name, count)

    def _place(self, entry: FileEntry, target: Path, count: Count) -> None:
        """Put one file in place."""
        temporary = temporary_beside(target)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary.unlink(missing_ok=True)
            if self._trust and self._cache.take(entry, temporary):
                count(entry.bytes)
            elif not self._download(entry, temporary, count):
                return
            os.replace(temporary, target)
            temporary.unlink(missing_ok=True)  # where both were one file
        except OSError as error:
            raise AttridexError(f"{target}: cannot be written: {error.strerror or error}") from None
        finally:
            temporary.unlink(missing_ok=True)

    def _download(self, entry: FileEntry, target: Path, count: Count) -> bool:
        """Fetch an object; whether it is there and whole, where it need not be."""
        try:
            with target.open("xb") as file:
                for chunk in whole(self._objects, entry):
                    file.write(chunk)
                    count(len(chunk))
        except DamageError:
            if self._lenient:
                return False
            raise
        self._cache.keep(entry, target)
        return True


def whole(objects: Objects, entry: FileEntry) -> Iterator[bytes]:
    """An object's content, some MiB at a time.

    Raises:
        DamageError: it is missing, or at its end: not what was written.
    """
    digest, name = hashlib.sha256(), object_name(entry)
    mending = f"; `attridex repair {objects.url}` mends it"
    try:
        for chunk in objects.chunks(name, entry.bytes):
            digest.update(chunk)
            yield chunk
    except MissingObjectError as error:
        raise MissingObjectError(f"{error}{mending}") from None
    if digest.hexdigest() != entry.sha256:
        raise DamageError(f"{objects.url}/{name}: damaged (not what was written){mending}")


def damaged(objects: Objects, head: Head, *, show_progress: bool = False) -> set[str]:
    """The hashes of a head's objects that are missing or not what was written: all of them are read."""
    entries = {entry.sha256: entry for entry in head.files.values()}
    found = set[str]()
    with progress("Check", sum(entry.bytes for entry in entries.values()) >> 20, "MiB", enabled=show_progress) as advance:
        count = in_turns(counted(advance))

        def check(entry: FileEntry) -> None:
            try:
                for chunk in whole(objects, entry):
                    count(len(chunk))
            except DamageError:
                found.add(entry.sha256)

        each_of([(check, (entry,)) for entry in entries.values()])
    return found


def in_turns(count: Count) -> Count:
    """What hears of bytes, from one thread at a time."""
    lock = Lock()

    def told(size: int) -> None:
        with lock:
            count(size)

    return told


def each_of(work: "list[tuple[Callable[..., None], tuple[object, ...]]]") -> None:
    """Do some work in parallel; the first error ends it, and is raised once what is under way has ended."""
    with pool() as threads:
        for done in as_completed([threads.submit(do, *given) for do, given in work]):
            done.result()


@contextmanager
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for requests; what waits is given up if the block fails."""
    threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="objects")
    try:
        yield threads
    finally:
        threads.shutdown(cancel_futures=True)
