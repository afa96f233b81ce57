"""Making an index of format 2 one of format 3: its shards stay, and CURRENT's tombstones become entries of the log."""

from pathlib import Path

from attridex.indexer.errors import DamageError, InputError
from attridex.indexer.files import linked, publish
from attridex.indexer.index.deletes import Log
from attridex.indexer.index.directory import (
    next_version,
    now,
    read_manifest,
    read_served,
    write_current,
    write_lock,
    write_manifest,
)
from attridex.indexer.index.layout import CURRENT_COPY, DELETES, DELETES_COPY, FORMAT, TOMBSTONES, version_dir
from attridex.indexer.index.records import Manifest, ShardEntry
from attridex.indexer.index.verify import verify
from attridex.indexer.lifecycle.liveness import hidden_rows, named_rows
from attridex.indexer.sections import PARTED_FORMS


def migrate(index: Path) -> Manifest:
    """Make an index of format 2 one of format 3; nothing is signed, and files that stay as they are, are linked.

    What CURRENT's version has deleted is hidden in every version from then on.

    Returns:
        The manifest of the version that is now current.

    Raises:
        InputError: it is of format 3 already, or there is no index.
        DamageError: a file is not what was written; nothing is changed then.
        BusyError: another process writes.
    """
    read_served(index)
    with write_lock(index):
        current = read_served(index)
        if current.log is not None:
            raise InputError(f"{index}: index format {FORMAT} already; nothing to migrate")
        for name in (CURRENT_COPY, DELETES, DELETES_COPY):
            (index / name).unlink(missing_ok=True)  # of a migration that was cut off
        problem = next((found.problem for found in verify(index) if found.problem), None)
        if problem:
            raise DamageError(f"{index}: damaged, so it is not migrated ({problem})")
        before = read_manifest(index, current.version)
        manifest = linked_version(index, before)
        write_current(index, manifest.version, first_log(index, before))
        return manifest


def linked_version(index: Path, before: Manifest) -> Manifest:
    """A version of today's format with the files of one of format 2 but its tombstones."""
    number, old = next_version(index), version_dir(index, before.version)
    shards = [ShardEntry(name=entry.name, rows=entry.rows, sha256=entry.sha256, since=0) for entry in before.shards]
    files = {name: entry for name, entry in before.files.items() if name != TOMBSTONES}
    changed = {"format": FORMAT, "version": number, "created": now(), "deleted": 0, "shards": shards, "files": files}
    manifest = before.model_copy(update=changed)
    with publish(version_dir(index, number)) as directory:
        for name in files:
            linked(old / name, directory / name)
        write_manifest(directory, manifest)
    return manifest


def first_log(index: Path, before: Manifest) -> Log:
    """The log that hides what a version of format 2 has deleted."""
    gone = set(hidden_rows(index, before, None).tolist())
    log, at = Log.begun(now()), now()
    if not gone:
        return log
    rows = [row for row in named_rows(index, before) if row.row in gone]
    bound = not before.config.corpus.id or before.config.corpus.form in PARTED_FORMS
    contents = [row.content if bound else None for row in rows]
    return log.with_entry(at, "delete", [row.id for row in rows], contents, "migrate")
