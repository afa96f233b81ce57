"""Writing files: JSON whose bytes follow from its content, and writes that a reader never sees half done.

The one place in the indexer that pushes to the disk: a file, a file swapped in one step, a directory that appears whole.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import stat
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from attridex.indexer.errors import AttridexError, BusyError, InputError

JsonObject = dict[str, Any]
"""What a JSON file holds, where its keys are free."""
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)
"""What file systems without links answer, as those of memory sticks."""
TRAINING_RECORD = "finetune.json"
"""Written beside a model's weights: configuration, seed and figures of its training, or a checkpoint's learning rate."""

PRIVATE_BYTES = 1 << 20
"""Bytes of a file of secrets at most."""


def json_bytes(data: Mapping[str, Any]) -> bytes:
    """The one way JSON is written to files, so that a file's bytes follow from its content."""
    return json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def json_line(data: Any, default: Callable[[Any], Any] | None = None) -> str:
    """JSON in one line, also for readers that end a line where Unicode does; `default` makes JSON of what is none."""
    text = json.dumps(data, ensure_ascii=False, default=default)
    return text.replace("\x85", "\\u0085").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def private_text(path: Path, *, pipes: bool = False) -> str:
    """Text of a file that nobody but its owner may read; opened once, so that what is checked is what is read.

    Args:
        path: the file.
        pipes: whether it may be a pipe, which is waited for, and read without a look at its mode.

    Raises:
        InputError: it cannot be read, others may read it, it is longer than a mebibyte, or it is no text.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | (0 if pipes else os.O_NONBLOCK)), "rb") as file:
            found = os.fstat(file.fileno())
            if not (stat.S_ISREG(found.st_mode) or (pipes and stat.S_ISFIFO(found.st_mode))):
                raise InputError(f"{path}: not a file")
            if stat.S_ISREG(found.st_mode) and found.st_mode & 0o077:
                raise InputError(f"{path}: others may read it (mode {stat.S_IMODE(found.st_mode):04o}); chmod 600 is needed")
            content = file.read(PRIVATE_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if len(content) > PRIVATE_BYTES:
        raise InputError(f"{path}: longer than {PRIVATE_BYTES} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8") from None


def write_synced(path: Path, content: bytes) -> None:
    """Write a file and push it to the disk."""
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def sync_path(path: Path) -> None:
    """Push a file or directory to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes) -> None:
    """Swap a file's content in one step: a reader sees the old or the new, whole.

    Raises:
        AttridexError: the disk is full or refuses the write (the path is named).
    """
    temporary = temporary_beside(path)
    try:
        write_synced(temporary, content)
        os.replace(temporary, path)
        sync_path(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise AttridexError(f"{path}: cannot be written: {error.strerror or error}") from error


def file_mode() -> int:
    """The mode that the umask leaves a new file; where the system tells it, nothing is set that other threads would see."""
    try:
        told = re.search(r"^Umask:\s*([0-7]+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    except OSError:
        told = None
    if told:
        return 0o666 & ~int(told[1], 8)
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


def by_umask(path: Path) -> None:
    """Give a file that a library made for its owner alone, as safetensors does, the mode of every other."""
    if path.is_file() and stat.S_IMODE(path.stat().st_mode) == 0o600:
        path.chmod(file_mode())


@contextmanager
def publish(directory: Path) -> Iterator[Path]:
    """Fill a temporary directory; it takes its name once the block ends well, and is removed if it fails.

    Raises:
        AttridexError: the disk is full or refuses the write (the path is named).
    """
    temporary = temporary_beside(directory)
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for path in temporary.rglob("*"):
            by_umask(path)
            sync_path(path)
        sync_path(temporary)
        if directory.exists():
            shutil.rmtree(directory)
        os.replace(temporary, directory)
        sync_path(directory.parent)
    except OSError as error:
        raise AttridexError(f"{directory}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def unfinished(path: Path, what: str, *, folder: bool = False) -> Iterator[Path]:
    """A hidden place beside `path` in which it is made ready, held against others; it is removed in the end, `take_name` or not.

    Args:
        path: what is to be made.
        what: see `alone`.
        folder: whether it is a directory.

    Raises:
        InputError: there is something of that name already.
        BusyError: another process is making it.
        AttridexError: the disk refuses a write.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    check_free(path)
    try:
        if folder:
            temporary.mkdir(parents=True, exist_ok=True)
        with alone(temporary, what, "name") as descriptor:
            check_free(path)  # whoever held it before may be done
            try:
                clear(temporary, descriptor)
                yield temporary
            finally:
                remove(temporary)
    except OSError as error:
        raise AttridexError(f"{path}: cannot be written: {error.strerror or error}") from error


def check_free(path: Path) -> None:
    """Refuse a name that is taken.

    Raises:
        InputError: it is.
    """
    if os.path.lexists(path):
        raise InputError(f"{path}: is there already, and is not written over; choose another name")


def clear(temporary: Path, descriptor: int) -> None:
    """Empty what a killed process left; `descriptor` is that of its lock.

    Raises:
        BusyError: it is another one than the one locked: somebody else was faster.
    """
    if not temporary.exists() or not os.path.samestat(os.fstat(descriptor), os.stat(temporary)):
        raise BusyError(f"{temporary}: another process was making it; try again")
    if not temporary.is_dir():
        os.ftruncate(descriptor, 0)
        return
    for path in temporary.iterdir():
        remove(path)


def remove(path: Path) -> None:
    """Remove a file or a directory, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def take_name(temporary: Path, path: Path) -> None:
    """Push a file or directory to the disk, then give it its name, but never that of something that is there.

    Raises:
        InputError: something of that name was made meanwhile.
    """
    folder = temporary.is_dir()
    for each in (*temporary.rglob("*"), temporary):
        sync_path(each)
    try:
        if folder:
            temporary.rename(path)  # refuses the name of a file, or of a directory that holds anything
        else:
            os.link(temporary, path)
    except OSError as error:
        check_free(path)
        if folder or error.errno not in NO_LINKS:
            raise
        temporary.rename(path)
    sync_path(path.parent)


@contextmanager
def alone(path: Path, what: str, other: str = "--out", *, named: Path | None = None) -> Iterator[int]:
    """Hold a file, made where it is missing, or a directory against other processes; the hold goes with the process.

    Args:
        path: what is held, by whatever name others know it.
        what: what is done there, for the message that others see, as "writing its answers".
        other: what others may choose another of.
        named: of what `path` is the lock alone, and which is named in its place; there is no other to choose then.

    Yields:
        A descriptor of it, for reading and, of a file, appending.

    Raises:
        BusyError: another process, or another part of this one, holds it.
        AttridexError: it cannot be opened for writing, or its disk knows no locks.
    """
    import fcntl  # not on Windows, where a client does everything but this

    place = named or path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    except OSError as error:
        raise AttridexError(f"{place}: cannot be written: {error.strerror}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # excludes nobody; it tells others this process's number
        except BlockingIOError:
            advice = f"wait for it or choose another {other}" if named is None else "run this again when it is done"
            raise BusyError(f"{place}: {holder(descriptor)} is {what}; {advice}") from None
        except OSError as error:
            raise AttridexError(f"{place}: cannot be locked: {error.strerror}") from None
        yield descriptor
    finally:
        os.close(descriptor)


def holder(descriptor: int) -> str:
    """Who holds a locked file: with the number of the process, where the system tells it."""
    import fcntl

    if sys.platform != "linux":
        return "another process"
    form = "hhqqi4x"  # struct flock: type, whence, start, length, process
    asked = struct.pack(form, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    process = struct.unpack(form, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))[-1]
    return f"another process ({process})" if process > 0 else "another process"


def linked(source: Path, target: Path) -> None:
    """Share a file under another name; copy it where the file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def temporary_beside(path: Path) -> Path:
    """Where a file or directory is written before it takes its name; `clear_leftovers` knows such names."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def half_written(path: Path, directory: Path) -> bool:
    """Whether a file is what `clear_leftovers` of a directory would remove: it is being written, or a killed process left it."""
    return any(part.startswith(".") and part.endswith(".tmp") for part in path.relative_to(directory).parts[:2])


def clear_leftovers(directory: Path) -> None:
    """Remove what killed processes left half written in a directory, or one level below; nobody else may be writing there."""
    for leftover in [*directory.glob("*/.*.tmp"), *directory.glob(".*.tmp")]:
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            with suppress(OSError):
                leftover.unlink(missing_ok=True)
