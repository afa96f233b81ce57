"""Changing which instances and versions of a served index there are: what an administrator asks for.

What was changed is served when a function here has ended. Errors name the index's files as they lie in its directory, not
where the server keeps that.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attridex.indexer.errors import BusyError, DamageError, InputError
from attridex.indexer.index import verify as checks
from attridex.indexer.index.records import Manifest
from attridex.indexer.lifecycle import deleting, migration, versions
from attridex.service.caller import Checkpoint
from attridex.service.errors import BusyIndexError, DamagedIndexError, InvalidArgumentError
from attridex.service.search.planner import compile_filter
from attridex.service.storage.store import Store
from attridex.v1.filters import Filter

PROBLEMS = 1000
"""Problems that are told at most."""


def placeless(text: str, index: Path) -> str:
    """Words without the place of an index's directory."""
    return text.replace(f"{index}/", "").replace(str(index), index.name)


@contextmanager
def changing(store: Store, field: str = "") -> Iterator[None]:
    """What the indexer refuses in the block, as a refusal of the request, or of its `field`."""
    try:
        yield
    except InputError as error:
        raise InvalidArgumentError(placeless(str(error), store.index), field) from None
    except BusyError as error:
        raise BusyIndexError(placeless(str(error), store.index)) from None
    except DamageError as error:
        raise DamagedIndexError(placeless(str(error), store.index)) from None


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
    with changing(store, field):
        found = change()
    store.reload()
    return found


def compact(store: Store) -> tuple[int, list[str]]:
    """Remove what is deleted from the disk; how many instances went, and which versions are still read."""
    from attridex.indexer.renewal.compaction import compact as run

    with changing(store):
        removed = run(store.index).removed
    store.reload()  # so that this server does not read what is to go
    return removed, prune(store, 1).held


def prune(store: Store, keep: int) -> versions.Pruned:
    """Remove older versions from the disk; see `lifecycle.versions.prune`."""
    with changing(store, "keep"):
        return versions.prune(store.index, keep)


def verify(store: Store, checkpoint: Checkpoint) -> tuple[int, list[str]]:
    """Check every file; how many there are, and what is wrong with them.

    Args:
        store: the index.
        checkpoint: called between files.
    """
    files, problems = 0, list[str]()
    with changing(store):
        for found in checks.verify(store.index):
            checkpoint()
            files += 1
            if found.problem and len(problems) < PROBLEMS:
                problems.append(placeless(found.problem, store.index))
    return files, problems


def repair(store: Store) -> list[str]:
    """Mend what is damaged; what was mended, a line each. What the server may not load or read is not signed by.

    Raises:
        DamagedIndexError: something cannot be mended; it says what, and why.
    """
    from attridex.indexer.renewal.repair import repair as run

    with changing(store):
        mended = run(store.index, model=store.place, admit=store.admit)
    store.reload()
    return [placeless(line, store.index) for line in mended]


def migrate(store: Store) -> int:
    """Make an index of format 2 one of format 3; its format."""
    with changing(store):
        found = migration.migrate(store.index).format
    store.reload()
    return found
