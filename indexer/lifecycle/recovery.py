"""CURRENT and the log of deletes, each from whichever of its two files is whole."""

import hashlib
from pathlib import Path

from attridex.indexer.errors import DamageError, InputError
from attridex.indexer.index.deletes import Log, parse_log
from attridex.indexer.index.directory import Current, index_format, now, parse_current, text_of
from attridex.indexer.index.layout import (
    BATCHES,
    CURRENT,
    CURRENT_COPY,
    DELETES,
    DELETES_COPY,
    MANIFEST,
    SHARDS,
    VERSIONS,
    paths_in,
    version_dir,
)


def recovered_current(index: Path) -> Current | None:
    """What CURRENT says, or its copy where that is damaged: the one that names a version as it is; None where neither does."""
    return next((current for current in named(index) if manifest_hash(index, current.version) == current.manifest), None)


def recovered_log(index: Path) -> Log:
    """The log of deletes that counts, from the file or its copy; a new one where there never was any.

    Raises:
        DamageError: there was one, and no whole one is left that CURRENT names.
    """
    heads = sorted({current.log for current in named(index) if current.log}, reverse=True)
    found = [log for name in (DELETES, DELETES_COPY) if (log := whole_log(index / name))]
    for head in heads:
        for log in found:
            if log.until(head.seq).head == head:
                return log.until(head.seq)
    if found and not heads:
        return min(found, key=lambda log: log.head.seq)
    if heads or any((index / name).exists() for name in (DELETES, DELETES_COPY)) or was_changed(index):
        raise DamageError(
            f"{index / DELETES}: cannot be mended (neither it nor {DELETES_COPY} is the log that CURRENT names), so what was "
            "deleted is not known; restore one of them from a backup"
        )
    return Log.begun(now())


def was_changed(index: Path) -> bool:
    """Whether an index of today's format has more than its first build writes, so that a log of deletes was there."""
    changed = (index / BATCHES).exists() or len(paths_in(index, VERSIONS)) > 1
    return index_format(index) > 2 and (changed or any("." in path.name for path in paths_in(index, SHARDS)))


def named(index: Path) -> list[Current]:
    """What CURRENT and its copy say, those that can be read; first the one whose log is longer."""
    found = (parse_current(text_of(index / name)) for name in (CURRENT, CURRENT_COPY))
    return sorted((current for current in found if current), key=lambda current: -(current.log.seq if current.log else 0))


def manifest_hash(index: Path, version: str) -> str:
    """SHA-256 of a version's manifest; empty where there is none."""
    content = read_bytes(version_dir(index, version) / MANIFEST)
    return hashlib.sha256(content).hexdigest() if content else ""


def whole_log(path: Path) -> Log | None:
    """The log of a file; None if it is damaged."""
    try:
        return parse_log(path.read_bytes(), path)
    except (DamageError, InputError, OSError):
        return None


def read_bytes(path: Path) -> bytes | None:
    """A file's content; None where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return None
