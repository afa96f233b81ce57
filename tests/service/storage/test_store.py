"""Readers keep the version that they began with; it closes when the last of them leaves."""

from pathlib import Path

import pytest

from attridex.indexer.index.directory import read_current
from attridex.indexer.lifecycle.deleting import delete_rows
from attridex.indexer.lifecycle.migration import migrate
from attridex.service.errors import DamagedIndexError, UnknownIndexError
from attridex.service.storage.store import Store
from attridex.service.storage.version import IndexVersion


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Versions that were closed."""
    found: list[str] = []
    close = IndexVersion.close

    def record(version: IndexVersion) -> None:
        found.append(version.manifest.version)
        close(version)

    monkeypatch.setattr(IndexVersion, "close", record)
    return found


def test_a_reader_keeps_its_version_through_a_swap(old: Path, closed: list[str]) -> None:
    migrate(old)
    store = Store(old)
    with store.version() as first, store.version() as again:
        assert first is again
        delete_rows(old, [0])
        assert store.reload() == "3+2"
        assert first.row_of("t0") == 0
        with store.version() as fresh:
            assert (fresh.manifest.version, fresh.live) == ("3+2", 40)
        assert closed == []
    assert closed == ["3+1"]
    store.close()
    assert closed == ["3+1", "3+2"]


def test_without_readers_the_old_version_closes_at_once(old: Path, closed: list[str]) -> None:
    store = Store(old)
    assert store.reload() == "2"
    assert closed == []
    assert store.activate("1") == "1"
    assert closed == ["2"]
    assert read_current(old) == "1"
    assert [manifest.version for manifest in store.versions()] == ["1", "2"]
    store.close()


def test_a_version_that_is_not_there_is_refused(old: Path) -> None:
    store = Store(old)
    with pytest.raises(UnknownIndexError, match="no version '9' of old; there are 1, 2"):
        store.activate("9")
    store.close()


def test_a_version_that_cannot_be_opened_leaves_the_old_one_served(old: Path, closed: list[str]) -> None:
    store = Store(old)
    path = next(old.glob("versions/1/csr_scores.npy"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedIndexError, match="csr_scores"):
        store.activate("1")
    with store.version() as version:
        assert version.manifest.version == "2"
    assert closed == []
    store.close()
