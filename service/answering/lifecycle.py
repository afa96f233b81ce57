"""Deleting instances of a served index: what a caller asks for, as entries of the log of deletes."""

from pathlib import Path

from attridex.indexer.index.records import Manifest
from attridex.indexer.lifecycle import deleting
from attridex.service.search.planner import compile_filter
from attridex.service.storage.store import Store
from attridex.v1.filters import Filter


def delete_where(store: Store, condition: Filter, by: str = "") -> int:
    """Delete the instances of the current version that a condition holds for; how many they are."""

    def rows(index: Path, manifest: Manifest) -> list[int]:
        return deleting.selected_rows(index, manifest, *compile_filter(condition, manifest))

    return deleting.delete_where(store.index, rows, by=by).instances
