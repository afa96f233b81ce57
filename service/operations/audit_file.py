"""The file of an audit: lines that one thread appends, so that whoever has one to write need not wait for the disk."""

import os
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from attridex.indexer.errors import InputError
from attridex.service.errors import AuditError

LAST_SECONDS = 5.0
"""How long the last lines are waited for at the end."""


class AuditFile:
    """Appends lines in the order in which they are given; no line is torn by another."""

    def __init__(self, path: Path) -> None:
        """Open it, for its owner alone where it is new.

        Raises:
            InputError: it cannot be opened.
        """
        self._path = path
        try:
            self._open()
        except OSError as error:
            raise InputError(f"--audit {path}: cannot be written: {error.strerror}") from None
        self._writer = ThreadPoolExecutor(1, "audit")

    def append(self, line: bytes) -> "Future[None]":
        """Append a line, with its end; done once it is on the disk, an `AuditError` where it cannot be."""
        try:
            return self._writer.submit(self._append, line)
        except RuntimeError:  # it takes nothing any more
            failed: Future[None] = Future()
            failed.set_exception(AuditError("the audit cannot be written (it is closed)"))
            return failed

    def close(self, patience: float = LAST_SECONDS) -> bool:
        """Append no more; whether what was given was done within `patience` seconds, which a disk that hangs never does."""
        last = self._writer.submit(lambda: os.close(self._file))
        self._writer.shutdown(wait=False)
        return bool(wait({last}, patience).done)

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        size = os.fstat(self._file).st_size
        self._torn = size > 0 and os.pread(self._file, 1, size - 1) != b"\n"

    def _append(self, line: bytes) -> None:
        try:
            self._follow()
            content = b"\n" * self._torn + line
            self._torn = True  # until it is whole
            if os.write(self._file, content) != len(content):
                raise OSError(0, "the disk is full")
            self._torn = False
            os.fsync(self._file)
        except OSError as error:
            raise AuditError(f"the audit cannot be written ({error.strerror})") from None

    def _follow(self) -> None:
        """Open the path again where it is no longer this file: somebody has moved it away, to begin another."""
        try:
            same = os.path.samestat(os.stat(self._path), os.fstat(self._file))
        except FileNotFoundError:
            same = False
        if not same:
            before = self._file
            self._open()
            os.close(before)
