"""The open versions of an index: the served one, and those that somebody still reads or may come back for."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from attridex.indexer.errors import DamageError
from attridex.service.errors import DamagedIndexError
from attridex.service.storage.version import IndexVersion

PAGE_SECONDS = 600.0
"""How long a version is held for the next page of a listing that began with it."""
KEPT = 4
"""Versions that are held for pages, beside the served one."""
log = logging.getLogger("attridex.service")


@dataclass(eq=False)
class Lease:
    """A version with the number of its readers; it closes once it is retired and nobody has it or may come back for it.

    Attributes:
        version: the version.
        readers: how many hold it.
        retired: whether another is served.
        wanted: until when its next page may be asked for, by the monotonic clock.
        damage: what was found wrong with its files; nothing is answered from it then.
    """

    version: IndexVersion
    readers: int = 0
    retired: bool = False
    wanted: float = 0.0
    damage: str = ""

    @property
    def over(self) -> bool:
        """Whether it may close."""
        return self.retired and self.readers == 0 and self.wanted <= time.monotonic()


class Leases:
    """Versions under their readers; any thread may ask.

    Attributes:
        served: the version that is served.
    """

    def __init__(self, name: str, version: IndexVersion, changed: Callable[[], None]) -> None:
        """Serve a version.

        Args:
            name: of the index, for the log.
            version: is closed with the last of its readers.
            changed: called when what is wrong with a version has changed.
        """
        self._name, self._changed = name, changed
        self._lock = threading.Lock()
        self.served = Lease(version)
        self._old: list[Lease] = []

    def _all(self) -> list[Lease]:
        return [self.served, *self._old]

    def take(self) -> Lease:
        """The served version's, with one reader more, until `reading` of it ends."""
        with self._lock:
            self.served.readers += 1
            return self.served

    def take_again(self, version: IndexVersion) -> Lease:
        """An open version's, with one reader more."""
        with self._lock:
            lease = next(lease for lease in self._all() if lease.version is version)
            lease.readers += 1
            return lease

    def take_number(self, number: str) -> Lease | None:
        """That of an open version with this number, with one reader more; None where there is none."""
        with self._lock:
            lease = next((lease for lease in self._all() if lease.version.manifest.version == number), None)
            if lease:
                lease.readers += 1
            return lease

    @contextmanager
    def reading(self, lease: Lease, *, whole: bool = True) -> Iterator[IndexVersion]:
        """The version of a lease that was taken, open until the block ends; what a reader finds damaged is remembered.

        Raises:
            DamagedIndexError: its files are no longer what was written, where it must be `whole`.
        """
        try:
            if whole and lease.damage:
                raise DamagedIndexError(lease.damage)
            yield lease.version
        except DamageError as error:
            self.mark(lease.version, str(error))
            raise DamagedIndexError(str(error)) from error
        finally:
            with self._lock:
                lease.readers -= 1
            self.sweep()

    def add(self, version: IndexVersion) -> Lease:
        """An older version, with one reader."""
        lease = Lease(version, readers=1, retired=True)
        with self._lock:
            self._old.append(lease)
        return lease

    def serve(self, version: IndexVersion, light: IndexVersion | None) -> None:
        """Serve another version; `light`, if any, stands for the one before where its next page is asked for."""
        fresh, before = Lease(version), self.served
        with self._lock:
            if light:
                self._old.append(Lease(light, retired=True, wanted=before.wanted))
                before.wanted = 0.0
            before.retired = True
            self._old.append(before)
            self.served = fresh

    def mark(self, version: IndexVersion, damage: str) -> None:
        """Answer nothing more from an open version; an empty `damage` takes that back."""
        with self._lock:
            told = [lease for lease in self._all() if lease.version is version and lease.damage != damage]
            for lease in told:
                lease.damage = damage
        if told:
            log.log(logging.ERROR if damage else logging.WARNING, "%s: %s", self._name, damage or "whole again")
            self._changed()

    def keep(self, version: IndexVersion) -> None:
        """Hold a version for the next page of a listing, a bounded time."""
        number = version.manifest.version
        with self._lock:
            found = [lease for lease in self._all() if lease.version.manifest.version == number]
            found[-1].wanted = time.monotonic() + PAGE_SECONDS

    def sweep(self) -> None:
        """Close what nobody reads any more, and the oldest of too many that are held for pages."""
        with self._lock:
            for lease in [lease for lease in self._old if lease.readers == 0][:-KEPT]:
                lease.wanted = 0.0
            over = [lease for lease in self._old if lease.over]
            self._old = [lease for lease in self._old if lease not in over]
        for lease in over:
            lease.version.close()

    def close(self) -> None:
        """Close every open version."""
        with self._lock:
            leases, self._old = self._all(), []
        for lease in leases:
            lease.version.close()
