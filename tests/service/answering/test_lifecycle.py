"""What an administrator changed is done: whatever comes afterwards does not say otherwise."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from attridex.indexer.errors import BusyError
from attridex.indexer.index.directory import write_current
from attridex.indexer.renewal import compaction
from attridex.service.answering import lifecycle
from attridex.service.errors import DamagedIndexError
from attridex.service.storage.store import Store

OLD = Path(__file__).parents[2] / "fixtures" / "index_5f8e7b1"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A served index, whose compaction makes version 1 current."""

    def compact(index: Path) -> compaction.Compacted:
        write_current(index, "1")
        return compaction.Compacted("1", 5, [])

    monkeypatch.setattr(compaction, "compact", compact)
    served = Store(Path(shutil.copytree(OLD, tmp_path / "old")), verify=False)
    yield served
    served.close()


def test_a_compaction_beside_another_writer_is_done_and_tells_what_stays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(index: Path, keep: int) -> None:
        raise BusyError(f"{index}: another process writes")

    monkeypatch.setattr(lifecycle.versions, "prune", busy)
    assert lifecycle.compact(store) == (5, ["2"])
    assert store.number == "1"


def test_what_was_changed_and_cannot_be_served_is_told_as_that(store: Store) -> None:
    (store.index / "versions" / "1" / "tombstones.npy").unlink()
    with pytest.raises(DamagedIndexError, match=r"it was done, and is on the disk, but is not served: .*tombstones"):
        lifecycle.compact(store)
    assert store.number == "2"


def test_damaged_files_are_counted_beyond_the_lines_that_are_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "PROBLEMS", 1)
    for name in ("tombstones.npy", "catalog.duckdb"):
        (store.index / "versions" / "1" / name).write_bytes(b"other bytes")
    found = lifecycle.verify(store, lambda: None)
    assert (len(found.problems), found.damaged) == (1, 2)
