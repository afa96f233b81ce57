"""An index in object storage as a directory of this process alone, which follows the newest head."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Lock

from attridex.indexer.errors import AttridexError, DamageError, InputError
from attridex.indexer.index.directory import write_lock
from attridex.indexer.index.layout import LOCK, SHARDS, VERSIONS
from attridex.indexer.lifecycle.versions import remove_others
from attridex.indexer.remote.cache import Cache
from attridex.indexer.remote.fetching import Fetching
from attridex.indexer.remote.heads import Head, head_name, head_numbers, newest_head, read_head
from attridex.indexer.remote.named import named
from attridex.indexer.remote.objects import MissingObjectError, Objects


class Mirror:
    """The newest head of a URL as an index directory; any thread may ask.

    Attributes:
        url: of the index.
        directory: where it is; nobody else reads there.
    """

    def __init__(self, url: str, *, trust_cache: bool = True, show_progress: bool = False) -> None:
        """Fetch it.

        Args:
            url: of the index.
            trust_cache: whether objects that are in the cache, and whole, are not fetched.
            show_progress: whether a bar or lines go to stderr.

        Raises:
            InputError: there is no index.
            DamageError: an object is missing or damaged; it is named.
            AttridexError: the store or the disk refuses something.
        """
        self.url = url
        self._objects, self._cache = Objects(url), Cache(url)
        self._turn, self._held = Lock(), ExitStack()
        self._trust, self._show = trust_cache, show_progress
        self._head: Head | None = None
        self._left = False
        first = newest_head(self._objects)
        if first is None:
            raise InputError(f"{url}: no attridex index there (no head of one)")
        with ExitStack() as opened:
            self.directory = opened.enter_context(self._cache.reader())
            self._follow(first)
            self._held = opened.pop_all()

    def refresh(self) -> None:
        """Follow the newest head; what it does not name leaves the directory once nobody reads it.

        Raises:
            DamageError: an object is missing or damaged; it is named, and the directory is the newest head that is whole.
            AttridexError: the store or the disk refuses something, or no head is there any more.
        """
        with self._turn:
            seen = self._head.number if self._head else 0
            there = head_numbers(self._objects, seen - 1)
            if not there:
                raise AttridexError(f"{self.url}/{head_name(seen)}: gone, and none is newer: was the index removed, or its disk?")
            if there[-1] > seen:
                self._follow_newest([number for number in there if number > seen])
            elif self._left:
                self._drop_others()

    def close(self) -> None:
        """Remove the directory."""
        self._held.close()

    def _follow_newest(self, numbers: list[int]) -> None:
        """Follow the newest of some heads, or where that is damaged the newest whole one, so that no delete of it is lost.

        Args:
            numbers: of the heads, ascending.

        Raises:
            DamageError: see `refresh`; of the newest.
        """
        try:
            self._follow(read_head(self._objects, numbers[-1]))
        except DamageError:
            if numbers[1:]:
                with suppress(DamageError):
                    self._follow_newest(numbers[:-1])
            raise

    def _follow(self, head: Head) -> None:
        """Make the directory a head, or a newer one where that has removed objects of it meanwhile."""
        there = self._head.files if self._head else {}
        files = {name: entry for name, entry in head.files.items() if there.get(name) != entry}
        fetching = Fetching(self._objects, self._cache, trust_cache=self._trust)
        try:
            with named(self.directory, self.url):
                fetching.fetch(files, self.directory, show_progress=self._show and self._head is None)
        except MissingObjectError:
            newer = newest_head(self._objects, head.number)
            if newer is None:
                raise
            self._follow(newer)
            return
        self._head = head
        self._drop_others()

    def _drop_others(self) -> None:
        """Remove what the head does not name, but versions that are still read."""
        head = self._head
        if head is None:
            return
        self._cache.drop_others(head.hashes)
        with write_lock(self.directory):
            self._left = bool(remove_others(self.directory, head.versions, appended=True).held)
        for path in self.directory.rglob("*"):
            name = path.relative_to(self.directory).as_posix()
            if path.is_file() and name not in head.files and name.split("/")[0] not in (SHARDS, VERSIONS, LOCK):
                path.unlink()


@contextmanager
def reading(url: str, *, trust_cache: bool = True, show_progress: bool = False) -> Iterator[Path]:
    """The newest head of a URL as an index directory, for one command; see `Mirror`.

    Args:
        url: of the index.
        trust_cache: whether objects that are in the cache, and whole, are not fetched.
        show_progress: whether a bar or lines go to stderr.
    """
    mirror = Mirror(url, trust_cache=trust_cache, show_progress=show_progress)
    try:
        with named(mirror.directory, url):
            yield mirror.directory
    finally:
        mirror.close()
