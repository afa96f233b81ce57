"""Files that a reader holds: opened once, read by `pread`, every block compared with its checksum as it is copied to memory.

What happens at the path afterwards (replaced, removed) changes nothing of what is read; what happens to the file itself (written
over, truncated) is a `DamageError`, never other numbers. Nothing is mapped unless that is asked for.
"""

import errno
import io
import mmap
import os
import resource
import stat
import threading
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from attridex.indexer.errors import AGAIN, DamageError
from attridex.indexer.held.sums import BLOCK, Sums, blocks_of, checksums, sums_of
from attridex.indexer.held.waited import still_waited


class Written(NamedTuple):
    """What was written: size and SHA-256 of a file, and the sums of its blocks where the record has them."""

    size: int
    sha256: str
    blocks: str = ""


class HeldFile:
    """A file of an index, open; threads may share it.

    Attributes:
        path: where it was opened.
        written: what it must hold.
        mapped: whether arrays of it may be mapped.
    """

    def __init__(self, path: Path, written: Written, *, mapped: bool = False) -> None:
        """Open it; its size is compared, its content when it is read.

        Raises:
            DamageError: missing, not a file, or of another size.
        """
        self.path, self.written, self.mapped = path, written, mapped
        self._sums: Sums | None = sums_of(written.blocks, written.size) if written.blocks else None
        self._lock = threading.Lock()
        try:
            self._descriptor = opened(path)
        except OSError as error:
            gone = isinstance(error, FileNotFoundError | NotADirectoryError)
            raise DamageError(f"{path}: {'missing' if gone else error.strerror}") from None
        found = os.fstat(self._descriptor)
        self._seen, self._wrong = signature(found), (signature(found), "")
        if not stat.S_ISREG(found.st_mode) or found.st_size != written.size:
            self.close()
            what = f"{found.st_size} bytes, {written.size} were written" if stat.S_ISREG(found.st_mode) else "not a file"
            raise DamageError(f"{path}: {what}; {AGAIN}")

    def verify(self) -> None:
        """Compare the whole content with its SHA-256.

        Raises:
            DamageError: it is another.
        """
        found = checksums(self._raw(number) for number in range(blocks_of(self.written.size)))
        if found.sha256 != self.written.sha256:
            raise DamageError(f"{self.path}: damaged (its SHA-256 is not the one written); {AGAIN}")
        self._sums = found.blocks

    def block(self, number: int) -> bytes:
        """A block of the content, from 0.

        Raises:
            DamageError: it is not what was written.
        """
        sums = self._sums
        if sums is None:
            with self._lock:
                if self._sums is None:
                    self.verify()
                sums = self._sums
        content = self._raw(number)
        if sums is None or zlib.crc32(content) != sums[number]:
            raise DamageError(f"{self.path}: damaged while it is read (block {number} is not what was written)")
        return content

    def blocks(self) -> Iterator[bytes]:
        """The whole content, block by block."""
        return map(self.block, range(blocks_of(self.written.size)))

    def _raw(self, number: int) -> bytes:
        still_waited()
        size = min(BLOCK, self.written.size - number * BLOCK)
        try:
            content = os.pread(self._descriptor, size, number * BLOCK)
        except OSError as error:
            raise DamageError(f"{self.path}: cannot be read: {error.strerror}") from None
        if len(content) != size:
            raise DamageError(f"{self.path}: truncated while it is read; {AGAIN}")
        return content

    def read(self) -> bytes:
        """The whole content."""
        return b"".join(self.blocks())

    def stream(self) -> io.BufferedReader:
        """The content as a stream of its own."""
        return io.BufferedReader(Raw(self), BLOCK)

    def map(self) -> mmap.mmap:
        """The content, mapped: what changes underneath is seen unchecked, and a truncation ends the process."""
        return mmap.mmap(self._descriptor, 0, prot=mmap.PROT_READ)

    def look(self) -> str:
        """What is wrong at its path, if anything; a file that has not been touched since is not read again."""
        try:
            found = signature(os.stat(self.path))
        except OSError:
            return f"{self.path}: missing"
        if found == self._seen:
            return ""
        if found == self._wrong[0]:
            return self._wrong[1]
        try:
            again = HeldFile(self.path, self.written)
            try:
                again.verify()
            finally:
                again.close()
        except DamageError as error:
            self._wrong = found, str(error)
            return str(error)
        self._seen = found
        return ""

    def close(self) -> None:
        """Let it go; what was read stays."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def opened(path: Path) -> int:
    """A descriptor of a file; where this process may have no more of them open, it allows itself all that the system lets it."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe is not waited for
    try:
        return os.open(path, flags)
    except OSError as error:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if error.errno != errno.EMFILE or soft == hard:
            raise
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return os.open(path, flags)


class Raw(io.RawIOBase):
    """Reads a held file from front to back, a block at a time."""

    def __init__(self, file: HeldFile) -> None:
        """At its beginning."""
        self._file, self._at = file, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]  # not the type of every buffer
        """The next bytes, up to the end of a block."""
        if self._at >= self._file.written.size:
            return 0
        number, start = divmod(self._at, BLOCK)
        part = memoryview(self._file.block(number))[start : start + len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go on elsewhere."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._file.written.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        """Where it is."""
        return self._at


class HeldDirectory:
    """A directory whose files are held: `/` gives one of them, as of a path."""

    def __init__(self, path: Path, files: Mapping[str, HeldFile]) -> None:
        """These files are there, and no others."""
        self.path, self.files = path, dict(files)

    def __truediv__(self, name: str) -> HeldFile:
        """A file.

        Raises:
            DamageError: it is not one of those that were written.
        """
        if name not in self.files:
            raise DamageError(f"{self.path / name}: missing (the record does not list it)")
        return self.files[name]


Source = Path | HeldFile
"""A file to read, by its path or held."""
Place = Path | HeldDirectory
"""Where files lie."""


def path_of(source: Source) -> Path:
    """Where a file lies, for messages."""
    return source if isinstance(source, Path) else source.path


def readable(source: Source) -> "Path | io.BufferedReader":
    """What readers of files take."""
    return source if isinstance(source, Path) else source.stream()


def content_of(source: Source) -> bytes:
    """The whole content of a file."""
    return source.read_bytes() if isinstance(source, Path) else source.read()


def signature(found: os.stat_result) -> tuple[int, int, int, int]:
    """What tells whether a file is untouched: device, inode, size and time of its last change."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
