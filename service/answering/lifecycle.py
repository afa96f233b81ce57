"""Changing which instances and versions of a served index there are: what an administrator asks for."""

from collections.abc import Sequence
from pathlib import Path

from attridex.indexer.errors import InputError
from attridex.indexer.index.records import Manifest
from attridex.indexer.lifecycle import deleting, versions
from attridex.service.errors import InvalidArgumentError
from attridex.service.search.planner import compile_filter
from attridex.service.storage.store import Store
from attridex.v1.filters import Filter


def delete_where(store: Store, condition: Filter, by: str = "") -> int:
    """Delete the instances of the current version that a condition holds for; how many they are."""

    def rows(index: Path, manifest: Manifest) -> list[int]:
        return deleting.selected_rows(index, manifest, *compile_filter(condition, manifest))

    return deleting.delete_where(store.index, rows, by=by).instances


def delete_ids(store: Store, ids: Sequence[str], by: str = "") -> int:
    """Delete instances by id; how many they are.

    Raises:
        InvalidArgumentError: an id is not there, or nothing would be left.
    """
    try:
        return deleting.delete_ids(store.index, list(ids), by=by).instances
    except InputError as error:
        raise InvalidArgumentError(str(error), "ids") from None


def undelete_ids(store: Store, ids: Sequence[str], by: str = "") -> int:
    """Undo the last delete of each id; how many instances are live again.

    Raises:
        InvalidArgumentError: an id is not deleted, or was removed by a compaction.
    """
    try:
        return deleting.undelete_ids(store.index, list(ids), by=by).instances
    except InputError as error:
        raise InvalidArgumentError(str(error), "ids") from None


def compact(store: Store) -> tuple[int, list[str]]:
    """Remove what is deleted from the disk and serve what is left; how many instances went, and which versions are still read."""
    from attridex.indexer.renewal.compaction import compact as run

    removed = run(store.index).removed
    store.reload()
    return removed, versions.prune(store.index).held


def prune(store: Store, keep: int) -> versions.Pruned:
    """Remove older versions from the disk; see `lifecycle.versions.prune`."""
    return versions.prune(store.index, keep)
