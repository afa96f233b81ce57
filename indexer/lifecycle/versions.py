"""Versions: which one is served, and which leave the disk."""

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from attridex.indexer.errors import InputError
from attridex.indexer.held.locks import unread
from attridex.indexer.index.directory import (
    check_finished,
    list_versions,
    read_manifest,
    read_served,
    unlisted_shards,
    write_current,
    write_lock,
    writing,
)
from attridex.indexer.index.layout import version_dir
from attridex.indexer.index.verify import check_version, is_whole_shard


class Pruned(NamedTuple):
    """Versions that left the disk, and those that stay since they are still read."""

    removed: list[str]
    held: list[str]


def is_read(index: Path, number: str) -> bool:
    """Whether any process of this machine reads a version."""
    with unread(version_dir(index, number)) as free:
        return not free


def activate(index: Path, number: str) -> None:
    """Make a version the current one; what is deleted stays deleted.

    Raises:
        InputError: there is no such version, or its writing was cut off.
        DamageError: a file of it is not what was written.
        BusyError: another process writes.
    """
    read_served(index)
    with write_lock(index):
        known = list_versions(index)
        if number not in known:
            raise InputError(f"{index}: no version '{number}'; there are {', '.join(known)}")
        check_finished(index, number, read_served(index).log)
        check_version(index, read_manifest(index, number))
        write_current(index, number)


def prune(index: Path, keep: int = 1) -> Pruned:
    """Remove all versions but the served one and the last ones, and shards that no version lists then.

    Args:
        index: the index directory.
        keep: how many of the last ones stay.

    Raises:
        InputError: there is no index, it is of format 2, or nothing is to be kept.
        BusyError: another process writes.
    """
    if keep < 1:
        raise InputError(f"--keep {keep}: the served version stays; give 1 or more")
    with writing(index) as current:
        return remove_others(index, {current.version, *list_versions(index)[-keep:]})


def remove_others(index: Path, kept: Collection[str], *, appended: bool = False) -> Pruned:
    """Remove all versions but some that nobody reads, and the shards that none lists any more; the index is held for writing.

    Args:
        index: the index directory.
        kept: numbers of the versions that stay.
        appended: see `drop_orphans`.
    """
    found = Pruned([], [])
    for number in list_versions(index):
        if number not in kept:
            with unread(version_dir(index, number)) as free:
                if free:
                    shutil.rmtree(version_dir(index, number))
            (found.removed if free else found.held).append(number)
    drop_orphans(index, appended=appended)
    return found


def drop_orphans(index: Path, *, appended: bool = False, whole: bool = True) -> list[Path]:
    """Remove the shards that no version lists; those behind the last instance, which are being appended, only where asked.

    Args:
        index: the index directory.
        appended: whether these go, too: later batches of which no version is left, or that were cut off.
        whole: whether those of them that are not what was written stay all the same.

    Returns:
        Which they were.
    """
    found = unlisted_shards(index, appended=appended)
    others = [] if whole else [path for path in unlisted_shards(index, appended=True) if path not in found]
    found += [path for path in others if not is_whole_shard(index, path.name)]
    for directory in found:
        shutil.rmtree(directory)
    return found
