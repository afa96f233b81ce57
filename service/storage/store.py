"""An index being served: the store swaps versions under readers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from attridex.indexer.index.directory import list_versions, read_current, read_manifest, write_current, write_lock
from attridex.indexer.index.records import Manifest
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
        number = read_current(self.index)
        with self._lock:
            if number == self._lease.version.manifest.version:
                return number
        fresh = Lease(IndexVersion(self.index, number, verify=self._verify))
        with self._lock:
            old, self._lease = self._lease, fresh
            old.retired = True
            idle = old.readers == 0
        if idle:
            old.version.close()
        return number

    def versions(self) -> list[Manifest]:
        """Manifests of the versions on disk, oldest first."""
        return [read_manifest(self.index, number) for number in list_versions(self.index)]

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
