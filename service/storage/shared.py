"""What several open versions share; it closes with the last of them."""

from contextlib import ExitStack
from threading import Lock


class Shared:
    """Counts those who share something."""

    def __init__(self, closing: ExitStack) -> None:
        """Shared by one; `closing` closes it."""
        self._closing, self._count, self._lock = closing, 1, Lock()

    def more(self) -> None:
        """Share it with one more."""
        with self._lock:
            self._count += 1

    def close(self) -> None:
        """One of them has closed."""
        with self._lock:
            self._count -= 1
            last = self._count == 0
        if last:
            self._closing.close()
