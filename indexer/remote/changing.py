"""An index in object storage as a directory that commands change: made of the newest head, and published when they are done."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from attridex.indexer.errors import AttridexError, DamageError, InputError
from attridex.indexer.index.directory import read_served
from attridex.indexer.index.layout import CURRENT
from attridex.indexer.index.records import parse_record, unseal
from attridex.indexer.progress import say, say_all
from attridex.indexer.remote.cache import Cache
from attridex.indexer.remote.fetching import Fetching, damaged
from attridex.indexer.remote.heads import Head, LostRaceError, described, head_name, head_numbers, newest_head
from attridex.indexer.remote.named import mended_in_store, named
from attridex.indexer.remote.objects import Objects
from attridex.indexer.remote.publishing import drop_unnamed, publish


@contextmanager
def changing(url: str, *, drops: bool = False, mends: bool = False, show_progress: bool = False) -> Iterator[Path]:
    """The index directory of a URL, for one command; what it leaves there is published behind the head that it was made of.

    What a killed command has left there is published before, or goes on: the directory stays until it is published.

    Args:
        url: of the index; there need not be one yet.
        drops: whether what the new head does not name is removed from the store, older heads too.
        mends: whether objects that are damaged are left out of the directory, and written again.
        show_progress: whether bars or lines go to stderr.

    Raises:
        LostRaceError: another writer has published meanwhile; it says where this change is kept.
        DamageError: an object is missing or damaged; it is named.
        BusyError: another process of this machine changes it.
        AttridexError: the store or the disk refuses something.
    """
    change = Change(url, mends=mends, show_progress=show_progress)
    with named(change.cache.directory, url), change.cache.alone():
        change.begin()
        try:
            yield change.cache.directory
        except AttridexError as error:  # it may have left something out, and done the rest
            change.end_after(error)
            raise
        change.end()
        if drops:
            drop_unnamed(change.objects)


class Change:
    """A change of an index in object storage.

    Attributes:
        objects: the store.
        cache: what this machine keeps of it.
    """

    def __init__(self, url: str, *, mends: bool, show_progress: bool) -> None:
        """Of this URL; see `changing`."""
        self.objects, self.cache = Objects(url, make=True), Cache(url)
        self._mends, self._show = mends, show_progress
        self._base: Head | None = None
        self._damaged: Collection[str] = ()

    def begin(self) -> None:
        """Make the directory what the newest head is, or leave it where it is ahead of that."""
        newest, base, own = self._newest(), self._read_base(), self._directory_head()
        there, served = self.cache.directory.exists(), (self.cache.directory / CURRENT).exists()
        in_step = same(own, newest)
        ahead = there and not in_step and same(base, newest) and (own is not None or not served)
        self._base = newest
        if newest and self._mends:
            self._damaged = damaged(self.objects, newest, show_progress=self._show)
            names = (name for name, entry in newest.files.items() if entry.sha256 in self._damaged)
            mended_in_store(self.cache.directory).extend(f"{self.objects.url}/{name}: its object" for name in names)
        if ahead and own and not self._mends:
            self._publish("what a command left that was cut off")
        elif there and not (in_step or ahead or (own and same(own, base))):
            self._put_aside(newest)
        if newest and not ahead and (self._mends or not in_step):
            self._fetch(newest)
        elif newest and in_step:
            self._keep(newest)

    def _newest(self) -> Head | None:
        """The newest head; one that is damaged and is to be mended is written again, where this machine made or changed it.

        Raises:
            DamageError: see `newest_head`.
        """
        try:
            return newest_head(self.objects)
        except DamageError:
            base = self._read_base()
            if not (self._mends and base and base.number == head_numbers(self.objects)[-1]):
                raise
            self.objects.write(head_name(base.number), base.content, len(base.content))
            mended_in_store(self.cache.directory).append(f"{self.objects.url}/{head_name(base.number)}")
            return base

    def end(self) -> None:
        """Publish what was changed."""
        if (self.cache.directory / CURRENT).exists():
            self._publish()

    def end_after(self, error: AttridexError) -> None:
        """Publish what a command has done that failed; what it could not finish stays in the directory."""
        try:
            self.end()
        except AttridexError as other:
            error.args = (f"{error}; not published: {other}",)

    def _publish(self, what: str = "") -> None:
        """Publish the directory; `what` it holds is said where it is not what this command does."""
        try:
            done = publish(self.objects, self.cache.directory, self._base, again=self._damaged, show_progress=self._show)
        except LostRaceError as error:
            kept = self.cache.put_aside()
            told = f"{error} first; this change is kept in {kept}; run the same command again to make it behind the other one"
            raise LostRaceError(told) from None
        if done.head != self._base or done.objects:
            told = f"head {done.head.number}, {done.objects} objects written ({done.bytes / 2**20:.1f} MiB)"
            say_all([f"{self.objects.url}: {told}{f': {what}' if what else ''}"], enabled=self._show)
        self._damaged = ()
        self._keep(done.head)

    def _fetch(self, head: Head) -> None:
        """Make the directory a head; where it is to be mended, of what is whole in the cache or in the store."""
        fetching = Fetching(self.objects, self.cache, lenient=self._mends)
        with self.cache.fresh() as directory, named(directory, self.objects.url):
            fetching.fetch(head.files, directory, show_progress=self._show)
        self._keep(head)

    def _keep(self, head: Head) -> None:
        """Remember what the directory is, and keep its files as objects, no others."""
        self._base = head
        self.cache.set_base(head.content)
        for name, entry in head.files.items():
            if not self.cache.has(entry):
                self.cache.keep(entry, self.cache.directory / name)
        self.cache.drop_others(head.hashes)

    def _read_base(self) -> Head | None:
        """The head that the directory was made of; None where that is not known."""
        try:
            return parse_record(Head, unseal(self.cache.base.read_bytes(), self.cache.base), self.cache.base)
        except (OSError, DamageError, InputError):
            return None

    def _directory_head(self) -> Head | None:
        """The head that the directory would be; None where it is none."""
        try:
            read_served(self.cache.directory)
            return described(self.cache.directory, 1)
        except (DamageError, InputError):
            return None

    def _put_aside(self, newest: Head | None) -> None:
        """Move a directory away behind whose base somebody else has published, or that is damaged."""
        kept = self.cache.put_aside()
        other = f"head {newest.number}" if newest else "nothing"
        say(f"{self.objects.url}: {other} is published there now; what a command left that was cut off is kept in {kept}")


def same(one: Head | None, other: Head | None) -> bool:
    """Whether two heads are of the same files, or both none."""
    return (one.files if one else None) == (other.files if other else None)
