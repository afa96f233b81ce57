"""Follows an index by itself: a thread that looks whether CURRENT or the served files have changed."""

import hashlib
import logging
import os
import threading
import time
from contextlib import suppress

from attridex.indexer.errors import AttridexError
from attridex.indexer.held.files import signature
from attridex.indexer.index.layout import CURRENT
from attridex.service.storage.store import Store

WATCH_SECONDS = 2.0
"""How often a served index is looked at, where nothing else is asked for."""
SWEEP_SECONDS = 2.0
"""How often versions that are held for pages are looked at where the index is not watched."""
CLOSE_SECONDS = 2.0
"""How long the end of a look is waited for."""
log = logging.getLogger("attridex.service")


class Watch:
    """Reloads a store when its index has changed, and stops it answering from files that are no longer what was written.

    Attributes:
        seconds: how often it looks; 0 where only an explicit reload follows the index.
    """

    def __init__(self, store: Store, seconds: float) -> None:
        """Begin."""
        self.seconds = seconds
        self._store = store
        self._seen, self._tree, self._missing = b"", b"", ""
        self._stopped = threading.Event()
        self._turn = threading.Lock()
        self._threads = [threading.Thread(target=self._run, name="watch", daemon=True)]
        if store.source and seconds:  # what it is a copy of may be slow to answer, or away
            self._threads.append(threading.Thread(target=self._follow, name="follow", daemon=True))
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End; a look under way is waited for, unless it takes long: the process may end meanwhile."""
        self._stopped.set()
        deadline = time.monotonic() + CLOSE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while not self._stopped.wait(self.seconds or SWEEP_SECONDS):
            try:
                if self.seconds:
                    self.look()
                self._store.sweep()
            except Exception:
                log.exception("%s: the watch goes on", self._store.index.name)

    def _follow(self) -> None:
        while not self._stopped.wait(self.seconds):
            try:
                self._store.follow()
                self.look()
            except AttridexError:  # logged, and told by `problem`
                continue
            except Exception:
                log.exception("%s: it is followed on", self._store.index.name)

    def look(self) -> None:
        """Follow CURRENT where it has changed; then look at the files of what is served."""
        with self._turn:
            self._look()

    def _look(self) -> None:
        current, tree = self._current(), self._files() if self._store.problem else b""
        if (current, tree) != (self._seen, self._tree):
            self._seen, self._tree = current, tree
            with suppress(AttridexError):  # logged, and told by `problem`
                self._store.reload()
        self._inspect()

    def _inspect(self) -> None:
        """Look at the files of what is served; one that is missing twice in a row is gone."""
        missing, self._missing = self._missing, self._store.inspect()
        if self._missing and missing == self._missing:
            with self._store.version(whole=False) as version:
                self._store.mark(version, missing)

    def _current(self) -> bytes:
        """What CURRENT says, and when it was written."""
        path = self._store.index / CURRENT
        try:
            status = os.stat(path)
            return b"%d %d %s" % (status.st_ino, status.st_mtime_ns, path.read_bytes())
        except OSError as error:
            return str(error).encode()

    def _files(self) -> bytes:
        """What tells whether any file of the index was touched: somebody may be mending it."""
        found = hashlib.sha256()
        for directory, _, names in os.walk(self._store.index):
            for name in names:
                with suppress(OSError):
                    found.update(repr((directory, name, signature(os.stat(f"{directory}/{name}")))).encode())
        return found.digest()
