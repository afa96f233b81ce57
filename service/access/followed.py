"""Files that are read again when they change; what cannot be read later leaves what was read before."""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from attridex.indexer.errors import InputError

Content = TypeVar("Content")
Stamp = tuple[tuple[int, ...], ...]
log = logging.getLogger("attridex.access")


class Followed(Generic[Content]):
    """What some files say together, as they are now."""

    def __init__(self, paths: Sequence[Path], read: Callable[[], Content]) -> None:
        """Read them.

        Args:
            paths: the files.
            read: gives what they say; raises InputError where that cannot be used.

        Raises:
            InputError: see `read`.
        """
        self._paths, self._read = tuple(paths), read
        self._stamp = self._now()
        self._content = read()

    def get(self) -> Content:
        """What they say; read again where one has changed, and as it was, with a line in the log, where that cannot be used."""
        stamp = self._now()
        if stamp != self._stamp:
            self._stamp = stamp  # taken before the files are read: what changes meanwhile is read the next time
            try:
                self._content = self._read()
                log.warning("%s: changed and read again", self._paths[0])
            except InputError as error:
                log.error("%s; what was read before is used still", error)
        return self._content

    def _now(self) -> Stamp:
        return tuple(map(stamp_of, self._paths))


def stamp_of(path: Path) -> tuple[int, ...]:
    """What changes whenever a file does; nothing where it cannot be looked at."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode
