"""Deleting instances: a new version that shares every file but its tombstones with the one before."""

import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from attridex.indexer.errors import InputError
from attridex.indexer.files import publish
from attridex.indexer.index.arrays import read_array, write_array
from attridex.indexer.index.directory import next_version, read_current, read_manifest, write_current, write_lock
from attridex.indexer.index.layout import MANIFEST, TOMBSTONES, version_dir
from attridex.indexer.index.records import file_entry, write_record


def delete_instances(index: Path, rows: Sequence[int]) -> str:
    """Write a version of the current one without the given rows, and make it current.

    Files that do not change are linked, so a deletion costs no space.

    Returns:
        The new version's name.
    """
    with write_lock(index):
        current = read_current(index)
        before = read_manifest(index, current)
        gone = np.union1d(read_array(version_dir(index, current) / TOMBSTONES), np.asarray(rows, np.int64))
        if len(gone) and (gone[0] < 0 or gone[-1] >= before.instances):
            raise InputError(f"{index}: rows must be between 0 and {before.instances - 1}")
        if len(gone) == before.instances:
            raise InputError(f"{index}: this would delete every instance; remove the directory instead")
        number = next_version(index)
        with publish(version_dir(index, number)) as directory:
            for name in before.files:
                if name != TOMBSTONES:
                    link(version_dir(index, current) / name, directory / name)
            write_array(directory / TOMBSTONES, gone)
            files = {**before.files, TOMBSTONES: file_entry(directory / TOMBSTONES)}
            manifest = before.model_copy(update={"version": number, "created": now(), "deleted": len(gone), "files": files})
            write_record(directory / MANIFEST, manifest)
        write_current(index, number)
    return number


def read_deleted(index: Path, version: str) -> set[int]:
    """Rows of the instances that a version has deleted."""
    return set(read_array(version_dir(index, version) / TOMBSTONES).tolist())


def link(source: Path, target: Path) -> None:
    """Share a file; copy it where the file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def now() -> str:
    """The time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
