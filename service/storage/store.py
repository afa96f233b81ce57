"""An index being served: the store swaps versions under readers."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol
from weakref import WeakValueDictionary

from attridex.indexer.errors import AttridexError, DamageError, InputError
from attridex.indexer.held.waited import still_waited
from attridex.indexer.index.directory import list_versions, read_deletes, read_manifest, read_served
from attridex.indexer.index.records import Manifest
from attridex.indexer.lifecycle.liveness import served_manifest
from attridex.indexer.lifecycle.versions import activate as make_current
from attridex.service.errors import DamagedIndexError, MachineError, UnknownIndexError, VersionGoneError
from attridex.service.storage.far import Spread
from attridex.service.storage.leases import Lease, Leases
from attridex.service.storage.memory import Memory
from attridex.service.storage.opening import Opening
from attridex.service.storage.roots import Roots
from attridex.service.storage.version import IndexVersion

LOOK_SECONDS = 0.05
"""How often who waits for a version that another opens looks whether it is still waited for itself."""
log = logging.getLogger("attridex.service")


class Source(Protocol):
    """What an index directory is a copy of, and follows."""

    url: str

    def refresh(self) -> None:
        """Make the directory what is published now."""

    def close(self) -> None:
        """Remove the directory."""


class Store:
    """An index directory being served: readers hold the version that they began with while another takes its place.

    Attributes:
        index: the directory.
        source: what it is a copy of, if of anything.
        opening: how its versions are opened.
        changed: called after a swap, and when `problem` or `damaged` may have changed.
    """

    def __init__(
        self,
        index: Path,
        *,
        verify: bool = True,
        mapped: bool = False,
        roots: Roots | None = None,
        model: bool | str = True,
        own_code: bool = True,
        spread: Spread | None = None,
        source: Source | None = None,
        memory: Memory | None = None,
    ) -> None:
        """Open the current version; see `IndexVersion` for what it raises.

        Args:
            index: the directory.
            verify: whether every file is read and checked first.
            mapped: whether posting lists are mapped.
            roots: where it, and what it names, may lie; see `Roots.check`.
            model: whether its model is loaded; or where that lies now.
            own_code: whether Python code that lies beside its model may run.
            spread: opens its vectors elsewhere; in this process where None.
            source: what the directory is a copy of; it is closed with the store.
            memory: that it may have, once `keep_within` says how much that is; as much as it takes where None.
        """
        self.index, self.source = index, source
        self.opening = Opening(index, verify, mapped, roots or Roots(), model, own_code, memory, spread)
        self.changed: Callable[[], None] = lambda: None
        self._turn, self._guard = threading.Lock(), threading.Lock()
        self._reopening = WeakValueDictionary[str, threading.Lock]()
        self._leases = Leases(index.name, self.opening.current(), lambda: self.changed())
        self._newer = self._away = ""

    def keep_within(self, memory: Memory) -> None:
        """Keep in memory what fits, of the served version and of those to come.

        Raises:
            InputError: there is too little.
        """
        self.opening = replace(self.opening, memory=memory)
        with self.version() as version:
            version.keep_within(memory)

    @property
    def damaged(self) -> str:
        """What is wrong with the files of the served version, from which nothing is answered then; empty where nothing is."""
        return self._leases.served.damage

    @property
    def problem(self) -> str:
        """What is wrong with the served version, or with the one that should be served instead; empty where nothing is."""
        return self.damaged or self._newer or self._away

    @contextmanager
    def version(self, *, whole: bool = True) -> Iterator[IndexVersion]:
        """The served version, open until the block ends; one that is not `whole` may be looked at where it is said so.

        Raises:
            DamagedIndexError: its files are no longer what was written.
        """
        with self._leases.reading(self._leases.take(), whole=whole) as version:
            yield version

    @contextmanager
    def reading(self, version: IndexVersion) -> Iterator[None]:
        """Read from a version that is held already.

        Raises:
            DamagedIndexError: its files are no longer what was written.
        """
        with self._leases.reading(self._leases.take_again(version)):
            yield

    @contextmanager
    def at(self, number: str) -> Iterator[IndexVersion]:
        """A version that a listing began with, open until the block ends.

        Raises:
            VersionGoneError: it is no longer on disk.
            DamagedIndexError: its files are no longer what was written.
        """
        lease = self._leases.take_number(number)
        if lease is None:
            with self._alone(number):  # two pages at once open it once
                lease = self._leases.take_number(number) or self._leases.add(self.opening.older(number))
        with self._leases.reading(lease) as version:
            yield version

    @contextmanager
    def _alone(self, number: str) -> Iterator[None]:
        """Nobody else opens this version in the block; neither a reload nor pages of others wait for it."""
        with self._guard:
            lock = self._reopening.setdefault(number, threading.Lock())
        while not lock.acquire(timeout=LOOK_SECONDS):
            still_waited()
        try:
            yield
        finally:
            lock.release()

    def mark(self, version: IndexVersion, damage: str) -> None:
        """Answer nothing more from an open version; an empty `damage` takes that back."""
        self._leases.mark(version, damage)

    def keep(self, version: IndexVersion) -> None:
        """Hold a version for the next page of a listing, a bounded time."""
        self._leases.keep(version)

    def sweep(self) -> None:
        """Close what nobody reads any more."""
        self._leases.sweep()

    def inspect(self) -> str:
        """What is wrong with the files of the served version on the disk, if anything; what is damaged is not answered from.

        A file that is missing may be about to be replaced: whoever looks again marks it.
        """
        with self.version(whole=False) as version:
            found = version.look()
            if found and not found.endswith(": missing"):
                self.mark(version, found)
            return found

    def follow(self) -> None:
        """Make the directory what its source is now; what is in the way is logged once, and told by `problem`.

        Raises:
            DamagedIndexError: what is published is not what was written.
            AttridexError: the source cannot be reached, or the disk refuses something.
        """
        if self.source is None:
            return
        before = self._away
        try:
            self.source.refresh()
            self._away = ""
        except AttridexError as error:
            self._away = str(error)
            if self._away != before:
                log.error("%s: version %s stays open: %s", self.index.name, self.served, error)
            kind = DamagedIndexError if isinstance(error, DamageError) else MachineError
            raise kind(self._away) from None
        finally:
            if self._away != before:
                self.changed()

    def reload(self) -> str:
        """Serve the version that CURRENT names; queries under way finish on theirs.

        Reloads take turns and each reads CURRENT in its own, so that none puts an earlier version in the place of a later.
        """
        with self._turn:
            try:
                self.follow()
            finally:  # of heads that are damaged, one before the newest may have been followed
                number = self._reload()
        self.sweep()
        self.changed()
        return number

    def _reload(self) -> str:
        try:
            current, lease = read_served(self.index), self._leases.served
            same = (current.version, current.manifest) == (lease.version.number, lease.version.sha256) and not lease.damage
            if same:
                damage, self._newer = self.inspect(), ""
                if damage:
                    raise DamagedIndexError(damage)
                if current.log is None or current.log.seq == lease.version.seq:
                    return lease.version.manifest.version
            log = read_deletes(self.index)
            log = log.until(current.log.seq) if log and current.log else log
            fresh = lease.version.under(log) if same else self._fitting(lease)
        except (InputError, DamageError) as error:
            raise DamagedIndexError(self._refused(error)) from error
        except AttridexError as error:
            self._refused(error)
            raise
        self._leases.serve(fresh, None if same else self._for_pages(lease))
        self._newer = ""
        return fresh.manifest.version

    def _fitting(self, served: Lease) -> IndexVersion:
        """The version that CURRENT names, where its queries are read and signed as those of the served one."""
        version = self.opening.current(None if served.damage else served.version)
        try:
            self.opening.check_fits(version.manifest, served.version.manifest)
        except VersionGoneError:
            version.close()
            raise
        return version

    def _refused(self, error: AttridexError) -> str:
        """Remember and log, once, why what CURRENT names is not served."""
        if self._newer != str(error):
            log.error("%s: version %s stays open: %s", self.index.name, self.served, error)
        self._newer = str(error)
        self.changed()
        return self._newer

    def _for_pages(self, lease: Lease) -> IndexVersion | None:
        """What stands for a version that is about to retire and whose next page may be asked for: it without its vectors."""
        if lease.wanted <= time.monotonic():
            return None
        try:
            return self.opening.light(lease.version.manifest.version)
        except DamagedIndexError as error:
            log.warning("%s: %s", self.index.name, error)
            return None

    @property
    def number(self) -> str:
        """The served version's number."""
        return self._leases.served.version.number

    @property
    def served(self) -> str:
        """The served version as answers name it: its number, and the entries of the log of deletes."""
        return self._leases.served.version.manifest.version

    def versions(self) -> list[Manifest]:
        """Manifests of the versions on disk, oldest first, as they are served under what is deleted now."""
        log = read_deletes(self.index)
        return [served_manifest(self.index, number, log) for number in list_versions(self.index)]

    def activate(self, number: str) -> str:
        """Make a version the current one and serve it; one that is damaged, or would not be served, does not become it."""
        known = list_versions(self.index)
        if number not in known:
            raise UnknownIndexError(f"no version '{number}' of {self.index.name}; there are {', '.join(known)}", "version")
        try:
            self.opening.check_place(number)
            self.opening.check_fits(read_manifest(self.index, number), self._leases.served.version.manifest)
            make_current(self.index, number)
        except DamageError as error:
            raise DamagedIndexError(str(error)) from error
        return self.reload()

    def close(self) -> None:
        """Close every open version."""
        self._leases.close()
        if self.source:
            self.source.close()
