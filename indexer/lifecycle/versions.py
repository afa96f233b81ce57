"""Versions: which one is served, and which leave the disk."""

from pathlib import Path

from attridex.indexer.errors import InputError
from attridex.indexer.index.directory import list_versions, read_manifest, read_served, write_current, write_lock
from attridex.indexer.index.verify import check_version


def activate(index: Path, number: str) -> None:
    """Make a version the current one; what is deleted stays deleted.

    Raises:
        InputError: there is no such version.
        DamageError: a file of it is not what was written.
        BusyError: another process writes.
    """
    read_served(index)
    with write_lock(index):
        known = list_versions(index)
        if number not in known:
            raise InputError(f"{index}: no version '{number}'; there are {', '.join(known)}")
        check_version(index, read_manifest(index, number))
        write_current(index, number)
