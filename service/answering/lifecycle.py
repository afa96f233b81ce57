"""Changing which instances and versions of a served index there are: what an administrator asks for.

What was changed is served when a function here has ended; where it cannot be, the error says that it was changed.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from attridex.indexer.errors import AttridexError, BusyError, DamageError, InputError
from attridex.indexer.index import verify as checks
from attridex.indexer.index.directory import list_versions
from attridex.indexer.index.records import Manifest
from attridex.indexer.lifecycle import deleting, migration, versions
from attridex.service.caller import Checkpoint
from attridex.service.errors import DamagedIndexError, InvalidArgumentError, MachineError, ServiceError
from attridex.service.search.planner import compile_filter
from attridex.service.storage.store import Store
from attridex.v1.filters import Filter

PROBLEMS = 1000
"""Problems that are told at most."""


@contextmanager
def changing(field: str = "") -> Iterator[None]:
    """What the indexer refuses in the block is a refusal of the request, or of its `field`."""
    try:
        yield
    except InputError as error:
        raise InvalidArgumentError(str(error), field) from None
    except DamageError as error:
        raise DamagedIndexError(str(error)) from None


def serve_changed(store: Store) -> None:
    """Serve what was changed.

    Raises:
        ServiceError: it was changed, and cannot be served; of the kind of what is in the way.
    """
    try:
        store.reload()
    except AttridexError as error:
        kind = type(error) if isinstance(error, ServiceError) else MachineError
        raise kind(f"it was done, and is on the disk, but is not served: {error}") from error


def delete_where(store: Store, condition: Filter, by: str = "") -> int:
    """Delete the instances of the current version that a condition holds for; how many they are."""

    def rows(index: Path, manifest: Manifest) -> list[int]:
        return deleting.selected_rows(index, manifest, *compile_filter(condition, manifest))

    return changed(store, "where", lambda: deleting.delete_where(store.index, rows, by=by).instances)


def delete_ids(store: Store, ids: Sequence[str], by: str = "") -> int:
    """Delete instances by id; how many they are.

    Raises:
        InvalidArgumentError: an id is not there, or nothing would be left.
    """
    return changed(store, "ids", lambda: deleting.delete_ids(store.index, ids, by=by).instances)


def undelete_ids(store: Store, ids: Sequence[str], by: str = "") -> int:
    """Undo the last delete of each id; how many instances are live again.

    Raises:
        InvalidArgumentError: an id is not deleted, or was removed by a compaction.
    """
    return changed(store, "ids", lambda: deleting.undelete_ids(store.index, ids, by=by).instances)


def changed(store: Store, field: str, change: Callable[[], int]) -> int:
    """What a change of the log gives, once it is served."""
    with changing(field):
        found = change()
    serve_changed(store)
    return found


def compact(store: Store) -> tuple[int, list[str]]:
    """Remove what is deleted from the disk; how many instances went, and which older versions are still there."""
    from attridex.indexer.renewal.compaction import compact as run

    with changing():
        removed = run(store.index).removed
    serve_changed(store)  # so that this server does not read what is to go
    try:
        return removed, prune(store, 1).held
    except BusyError:  # another process writes: it is done all the same, and older versions leave with the next Prune
        return removed, [number for number in list_versions(store.index) if number != store.number]


def prune(store: Store, keep: int) -> versions.Pruned:
    """Remove older versions from the disk; see `lifecycle.versions.prune`."""
    with changing("keep"):
        return versions.prune(store.index, keep)


@dataclass
class Checked:
    """Files that were checked, what is wrong with them, up to `PROBLEMS` lines, and how many files that is."""

    files: int = 0
    problems: list[str] = field(default_factory=list)
    damaged: int = 0


def verify(store: Store, checkpoint: Checkpoint) -> Checked:
    """Check every file.

    Args:
        store: the index.
        checkpoint: called between files.
    """
    checked = Checked()
    with changing():
        for found in checks.verify(store.index):
            checkpoint()
            checked.files += 1
            if found.problem:
                checked.damaged += 1
                checked.problems += [found.problem] if len(checked.problems) < PROBLEMS else []
    return checked


def repair(store: Store) -> list[str]:
    """Mend what is damaged; what was mended, a line each. What the server may not load or read is not signed by.

    Raises:
        DamagedIndexError: something cannot be mended; it says what, and why.
    """
    from attridex.indexer.renewal.repair import repair as run

    with changing():
        mended = run(store.index, model=store.opening.place, admit=store.opening.admit)
    serve_changed(store)
    return mended


def migrate(store: Store) -> int:
    """Make an index of format 2 one of format 3; its format."""
    with changing():
        found = migration.migrate(store.index).format
    serve_changed(store)
    return found
