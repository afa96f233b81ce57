"""Readers keep the version that they began with; it closes when the last of them leaves."""

import gc
import shutil
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attridex.indexer.held.locks import unread
from attridex.indexer.held.waited import waited_for
from attridex.indexer.index.deletes import Log
from attridex.indexer.index.directory import read_current, write_current
from attridex.indexer.lifecycle.deleting import delete_rows
from attridex.indexer.lifecycle.migration import migrate
from attridex.service.errors import CancelledError, DamagedIndexError, UnknownIndexError, VersionGoneError
from attridex.service.operations.pauses import settled
from attridex.service.storage.held import HeldVersion
from attridex.service.storage.held_shards import HeldShard
from attridex.service.storage.leases import PAGE_SECONDS
from attridex.service.storage.opening import Opening
from attridex.service.storage.store import Store
from attridex.service.storage.version import IndexVersion
from attridex.service.storage.watch import Watch


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


def test_a_version_that_is_left_is_freed_without_the_garbage_collector(old: Path) -> None:
    migrate(old)
    store = Store(old)
    with settled():  # of what is there now, the collector frees nothing any more
        gc.disable()
        try:
            with store.version() as version:
                left = weakref.ref(version)
            del version
            delete_rows(old, [0])
            assert store.reload() == "3+2"
            assert left() is None
        finally:
            gc.enable()
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
    assert read_current(old) == "2"
    with store.version() as version:
        assert version.manifest.version == "2"
    assert closed == []
    store.close()


def test_a_slower_earlier_reload_never_replaces_a_later_one(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(old)
    store, begun, go = Store(old), threading.Event(), threading.Event()
    real = IndexVersion.under

    def slow(version: IndexVersion, log: Log | None) -> IndexVersion:
        if threading.current_thread().name == "slow":
            begun.set()
            assert go.wait(60)
        return real(version, log)

    monkeypatch.setattr(IndexVersion, "under", slow)
    delete_rows(old, [0])
    threads = [threading.Thread(target=store.reload, name="slow")]
    threads[0].start()
    assert begun.wait(60)
    delete_rows(old, [1])
    answers: list[str] = []
    threads.append(threading.Thread(target=lambda: answers.append(store.reload())))
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join()
    assert answers == ["3+3"]
    with store.version() as version:
        assert (version.manifest.version, version.alive[1]) == ("3+3", False)
    store.close()


def test_a_version_held_for_pages_stays_open_a_bounded_time(
    old: Path, closed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(old)
    store, now = Store(old), [100.0]
    monkeypatch.setattr("attridex.service.storage.leases.time.monotonic", lambda: now[0])
    with store.version() as version:
        store.keep(version)
    delete_rows(old, [0])
    store.reload()
    with store.at("3+1") as page, store.at("3+2") as served:
        assert (page, served.manifest.version) == (version, "3+2")
    assert closed == []
    now[0] += PAGE_SECONDS
    store.sweep()
    assert closed == ["3+1"]
    with store.at("3+1") as again:  # still on the disk
        assert again.live == 41
    with unread(old / "versions" / "2") as free:
        assert free
        shutil.rmtree(old / "versions" / "2")
    with pytest.raises(VersionGoneError, match="version 2, with which the listing began, is gone"), store.at("2"):
        pass
    store.close()


def test_a_version_that_is_read_is_seen_by_whoever_would_remove_it(old: Path) -> None:
    store = Store(old)
    with store.version():
        store.activate("1")
        with unread(old / "versions" / "2") as free:
            assert not free
    with unread(old / "versions" / "2") as free:
        assert free
    with unread(old / "versions" / "1") as free:
        assert not free
    store.close()


def test_a_damaged_new_version_is_told_and_the_old_one_stays(old: Path) -> None:
    store = Store(old)
    told: list[str] = []
    store.changed = lambda: told.append(store.problem)
    write_current(old, "1")
    path = old / "versions" / "1" / "tombstones.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"?")
    with pytest.raises(DamagedIndexError, match="tombstones"):
        store.reload()
    assert "tombstones" in store.problem
    assert (store.damaged, told[-1]) == ("", store.problem)
    with store.version() as version:
        assert version.manifest.version == "2"
    path.write_bytes(whole)
    assert store.reload() == "1"
    assert (store.problem, told[-1]) == ("", "")
    store.close()


def test_several_stores_follow_one_index_by_themselves(old: Path) -> None:
    migrate(old)
    stores = [Store(old), Store(old)]
    watches = [Watch(store, 0) for store in stores]
    delete_rows(old, [0])
    for watch in watches:
        watch.look()
    delete_rows(old, [1])
    for watch, store in zip(watches, stores, strict=True):
        watch.look()
        with store.version() as version:
            assert (version.manifest.version, version.live) == ("3+3", 39)
        watch.close()
        store.close()


def test_a_version_that_is_replaced_and_removed_while_it_is_opened_is_not_missed(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, first = HeldVersion.__init__, [True]

    def overtaken(version: HeldVersion, index: Path, number: str, *more: Any) -> None:
        if first and first.pop():
            write_current(old, "1")
            shutil.rmtree(old / "versions" / number)
        real(version, index, number, *more)

    monkeypatch.setattr(HeldVersion, "__init__", overtaken)
    store = Store(old)
    with store.version() as version:
        assert version.manifest.version == "1"
    store.close()


def test_what_is_opened_is_of_one_look_at_current(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(old)
    real, first = HeldVersion.__init__, [True]

    def overtaken(version: HeldVersion, index: Path, number: str, *more: Any) -> None:
        if first and first.pop():
            delete_rows(old, [0])
        real(version, index, number, *more)

    monkeypatch.setattr(HeldVersion, "__init__", overtaken)
    store = Store(old)
    with store.version() as version:
        assert (version.manifest.version, version.live) == ("3+1", 41)
    assert store.reload() == "3+2"
    store.close()


def test_a_delete_reads_no_file_again(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(old)
    store, opened = Store(old), list[str]()
    real = HeldVersion.__init__
    monkeypatch.setattr(
        HeldVersion,
        "__init__",
        lambda version, index, number, *more: opened.append(number) or real(version, index, number, *more),
    )
    with store.version() as before:
        delete_rows(old, [0])
        assert store.reload() == "3+2"
        with store.version() as version:
            assert version.gradients is before.gradients
            assert (version.live, before.live, opened) == (40, 41, [])
    with store.version() as version:  # what is shared stays open for the one that is left
        assert version.fields([0], ["id"]) == [{"id": "t0"}]
        assert version.kept.neurons[0:3].size
    store.close()


def test_what_stands_for_a_version_that_pages_want_holds_no_vectors(old: Path, closed: list[str]) -> None:
    store = Store(old)
    with store.version() as version:
        store.keep(version)
    store.activate("1")
    assert closed == ["2"]
    with store.at("2") as page, store.at("2") as again:
        assert page is again
        assert "gradients" not in vars(page)
        np.testing.assert_array_equal(page.gradients[0].norms, version.gradients[0].norms)
    assert closed == ["2"]
    store.close()
    assert closed == ["2", "1", "2"]


@pytest.mark.parametrize("year", [2020, 2120])
@pytest.mark.parametrize("number", ["3", "3+0", "3+9", "1+1"])
def test_a_token_that_was_made_up_shows_nothing_that_was_deleted_long_ago_or_under_another_clock(
    old: Path, number: str, year: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(old)
    monkeypatch.setattr("attridex.indexer.lifecycle.deleting.now", lambda: f"{year}-01-01T00:00:00+00:00")
    delete_rows(old, [0])
    monkeypatch.undo()
    delete_rows(old, [1])
    store = Store(old)
    with store.at("3+2") as version:  # replaced a moment ago
        assert version.live == 40
    with pytest.raises(VersionGoneError, match=r"version .* is gone or was replaced long ago"), store.at(number):
        pass
    store.close()


def test_a_version_that_is_followed_opens_and_loads_only_the_shards_that_are_new(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, opened = Store(old), list[str]()
    real = HeldShard.__init__
    monkeypatch.setattr(HeldShard, "__init__", lambda held, path, *more: opened.append(path.name) or real(held, path, *more))
    with store.version() as before:
        assert store.activate("1") == "1"
        with store.version() as version:
            assert opened == []
            assert all(new.vectors is part.vectors for new, part in zip(version.gradients, before.gradients, strict=True))
    with store.version() as version:  # what is shared stays open for the one that is left
        assert (version.look(), version.hidden[0].vectors.rows) == ("", 16)
    touched = next((old / "shards").glob("*/gradients.faiss"))
    touched.write_bytes(touched.read_bytes()[:-1] + b"?")
    write_current(old, "2")
    with pytest.raises(DamagedIndexError, match=r"gradients\.faiss"):  # it is opened again, and its damage told
        store.reload()
    assert opened == [touched.parent.name]
    store.close()


def test_who_opens_an_old_version_for_a_page_keeps_nobody_else_waiting(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(old)
    store, begun, go, pages = Store(old), threading.Event(), threading.Event(), list[str]()
    delete_rows(old, [0])
    store.reload()
    real = Opening.older

    def slow(opening: Opening, number: str) -> IndexVersion:
        begun.set()
        assert go.wait(60)
        return real(opening, number)

    monkeypatch.setattr(Opening, "older", slow)

    def page() -> None:
        with store.at("3+1") as version:
            pages.append(version.manifest.version)

    threads = [threading.Thread(target=page) for _ in range(2)]
    threads[0].start()
    assert begun.wait(60)
    delete_rows(old, [1])
    assert store.reload() == "3+3"  # a reload does not wait

    def gone() -> None:
        raise CancelledError("gone")

    with waited_for(gone), pytest.raises(CancelledError), store.at("3+1"):
        pass  # nor does a page of the same version whose caller has gone
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join()
    assert pages == ["3+1"] * 2
    store.close()
