"""The file of a Unix socket: who may write to it may connect, so it is where others see it only once it has its mode."""

import errno
import fcntl
import os
import shutil
import socket
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from attridex.indexer.errors import InputError

LONGEST = 107
"""Bytes of a socket's path that Linux takes."""
CONNECT_SECONDS = 5.0


class SocketFile:
    """A socket's place, held against other servers until it is closed.

    Attributes:
        aside: where the socket is to be bound; nobody else can reach it there.
    """

    def __init__(self, path: Path, mode: int) -> None:
        """Hold the place; a file that a killed server left there is in nobody's way.

        Args:
            path: of the socket.
            mode: of its file.

        Raises:
            InputError: a server listens there, something else lies there, or the path cannot be used.
        """
        self._path, self._mode, self._inode = path, mode, 0
        self._lock = _held(path.with_name(f"{path.name}.lock"))
        try:
            _check_free(path)
            self._directory = Path(tempfile.mkdtemp(prefix=".", dir=path.parent))
        except OSError as error:
            os.close(self._lock)
            raise InputError(f"--listen unix:{path}: cannot be made: {error.strerror}") from None
        except InputError:
            os.close(self._lock)
            raise
        self.aside = self._directory / "s"
        if len(os.fsencode(self.aside)) > LONGEST:
            self.close()
            raise InputError(
                f"--listen unix:{path}: the path is too long; at most {LONGEST - 12} bytes with its directory are taken"
            )

    def publish(self) -> None:
        """Put the bound socket in its place, with its mode."""
        os.chmod(self.aside, self._mode)
        self._inode = self.aside.stat().st_ino
        os.replace(self.aside, self._path)
        self._directory.rmdir()

    def close(self) -> None:
        """Remove the file, if it is still this one, and let the place go."""
        if self._lock >= 0:
            with suppress(OSError):
                if self._inode and self._path.stat().st_ino == self._inode:
                    self._path.unlink()
            shutil.rmtree(self._directory, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1


def _held(path: Path) -> int:
    """A descriptor that holds a file against other processes; the hold goes with the process."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise InputError(f"--listen unix: {path}: cannot be written: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise InputError(f"--listen unix:{path.with_suffix('')}: another server has this address") from None
    return descriptor


def _check_free(path: Path) -> None:
    """Go on only where no server listens: what lies there and answers nobody may be replaced."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise InputError(f"--listen unix:{path}: something that is no socket lies there; remove it, or choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(CONNECT_SECONDS)
        try:
            probe.connect(str(path))
        except OSError as error:
            if error.errno == errno.ECONNREFUSED:
                return
            raise InputError(f"--listen unix:{path}: a socket that may be another server's lies there ({error})") from None
    raise InputError(f"--listen unix:{path}: another server listens there")


def path_of(listen: str) -> Path | None:
    """The path of an address of a Unix socket, as gRPC takes it; None of another address."""
    if not listen.startswith("unix:"):
        return None
    return Path(listen.removeprefix("unix:").removeprefix("//"))
