"""Who reads a version: a shared lock on its directory, which goes with the process, however it ends.

`hold` is for readers, `unread` for whoever removes versions; both are the kernel's locks (flock), which other processes see.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from attridex.indexer.errors import DamageError


class Hold:
    """A version's directory that is being read: it does not leave the disk until it is let go."""

    def __init__(self, directory: Path) -> None:
        """Take it; whoever is removing it is waited for.

        Raises:
            DamageError: it is not there, or was removed meanwhile.
        """
        self._directory = directory
        try:
            self._descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise DamageError(f"{directory}: {_reason(error)}") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)
            if not os.path.samestat(os.fstat(self._descriptor), os.stat(directory)):
                raise FileNotFoundError
        except OSError as error:
            self.close()
            raise DamageError(f"{directory}: {_reason(error)}") from None

    def close(self) -> None:
        """Let it go."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def hold(directory: Path) -> Hold:
    """Hold a version's directory for reading, until `close`.

    Raises:
        DamageError: it is not there.
    """
    return Hold(directory)


@contextmanager
def unread(directory: Path) -> Iterator[bool]:
    """Whether nobody reads a version; if so, nobody can begin to until the block ends, and it may be removed inside."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True
        return
    try:
        free = False
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = True
        yield free
    finally:
        os.close(descriptor)


def _reason(error: OSError) -> str:
    return "missing" if isinstance(error, FileNotFoundError | NotADirectoryError) else str(error.strerror)
