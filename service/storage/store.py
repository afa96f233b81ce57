"""An index being served: the store swaps versions under readers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from attridex.indexer.index.directory import list_versions, read_current, read_deletes, read_served, write_current, write_lock
from attridex.indexer.index.records import Manifest
from attridex.indexer.lifecycle.liveness import served_manifest
from attridex.service.errors import UnknownIndexError
from attridex.service.storage.version import IndexVersion


@dataclass
class Lease:
    """A version with the number of its readers; it closes when the last one leaves after a swap."""

    version: IndexVersion
    readers: int = 0
    retired: bool = False


class Store:
    """An index directory being served: readers hold the version that they began with while another takes its place."""

    def __init__(self, index: Path, *, verify: bool = True) -> None:
        """Open the current version."""
        self.index = index
        self._verify = verify
        self._lock = threading.Lock()
        self._lease = Lease(IndexVersion(index, read_current(index), verify=verify))

    @contextmanager
    def version(self) -> Iterator[IndexVersion]:
        """The served version, open until the block ends."""
        with self._lock:
            lease = self._lease
            lease.readers += 1
        try:
            yield lease.version
        finally:
            with self._lock:
                lease.readers -= 1
                done = lease.retired and lease.readers == 0
            if done:
                lease.version.close()

    def reload(self) -> str:
        """Serve the version that CURRENT names; queries under way finish on theirs."""
        current = read_served(self.index)
        number, seq = current.version, current.log.seq if current.log else 0
        with self._lock:
            served = self._lease.version
            if (number, seq) == (served.number, served.seq):
                return served.manifest.version
        fresh = Lease(IndexVersion(self.index, number, verify=self._verify))
        with self._lock:
            old, self._lease = self._lease, fresh
            old.retired = True
            idle = old.readers == 0
        if idle:
            old.version.close()
        return fresh.version.manifest.version

    @property
    def number(self) -> str:
        """The served version's number."""
        with self._lock:
            return self._lease.version.number

    def versions(self) -> list[Manifest]:
        """Manifests of the versions on disk, oldest first, as they are served under what is deleted now."""
        log = read_deletes(self.index)
        return [served_manifest(self.index, number, log) for number in list_versions(self.index)]

    def activate(self, number: str) -> str:
        """Make a version the current one and serve it."""
        known = list_versions(self.index)
        if number not in known:
            raise UnknownIndexError(f"no version '{number}' of {self.index.name}; there are {', '.join(known)}", "version")
        with write_lock(self.index):
            write_current(self.index, number)
        return self.reload()

    def close(self) -> None:
        """Close the served version."""
        self._lease.version.close()
