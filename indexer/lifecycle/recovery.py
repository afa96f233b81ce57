"""CURRENT and the log of deletes, each from whichever of its two files is whole."""

from pathlib import Path

from attridex.indexer.errors import DamageError, InputError
from attridex.indexer.index.deletes import Head, Log, parse_log
from attridex.indexer.index.directory import Current, now, parse_current
from attridex.indexer.index.layout import CURRENT, CURRENT_COPY, DELETES, DELETES_COPY


def recovered_current(index: Path) -> Current | None:
    """What CURRENT says, or where it is damaged its copy; None where neither can be read."""
    for name in (CURRENT, CURRENT_COPY):
        content = read_bytes(index / name)
        current = parse_current(content.decode("ascii", "replace")) if content else None
        if current is not None:
            return current
    return None


def recovered_log(index: Path) -> Log:
    """The log of deletes that counts, from the file or its copy; a new one where there never was any.

    Raises:
        DamageError: there was one, and no whole one is left that CURRENT names.
    """
    current = recovered_current(index)
    head = current.log if current else None
    found = [log for name in (DELETES, DELETES_COPY) if (log := whole_log(index / name, head))]
    if found:
        return found[0] if head else min(found, key=lambda log: log.head.seq)
    if head or any((index / name).exists() for name in (DELETES, DELETES_COPY)):
        raise DamageError(
            f"{index / DELETES}: cannot be mended (neither it nor {DELETES_COPY} is the log that CURRENT names), so what was "
            "deleted is not known; restore one of them from a backup"
        )
    return Log.begun(now())


def whole_log(path: Path, head: Head | None) -> Log | None:
    """The log of a file up to the line that counts, or where that is not known to its end; None if it is damaged."""
    content = read_bytes(path)
    if content is None:
        return None
    try:
        log = parse_log(content, path)
    except (DamageError, InputError):
        return None
    log = log.until(head.seq) if head else log
    return log if head is None or log.head == head else None


def read_bytes(path: Path) -> bytes | None:
    """A file's content; None where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return None
