"""What grows takes over no damage; no record is live twice, and none is lost."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from attridex.indexer.building import ranges
from attridex.indexer.errors import DamageError, InputError, NumericError
from attridex.indexer.growth import appending
from attridex.indexer.growth.appending import Appender
from attridex.indexer.growth.refreshing import refresh
from attridex.indexer.index.directory import list_versions, read_current, read_manifest
from attridex.indexer.index.layout import CURRENT, CURRENT_COPY
from attridex.indexer.index.records import LeftOut
from attridex.indexer.lifecycle.deleting import delete_ids, undelete_ids
from attridex.indexer.lifecycle.snapshots import snapshot
from attridex.indexer.lifecycle.versions import activate
from attridex.indexer.renewal.adding import add_columns
from attridex.indexer.renewal.compaction import compact
from attridex.indexer.renewal.joining import Wanted
from attridex.indexer.renewal.repair import repair
from tests.conftest import records, write_jsonl
from tests.indexer.growth.conftest import BEGUN, Rows
from tests.indexer.growth.test_repairing import live
from tests.indexer.renewal.conftest import flip, problems
from tests.indexer.renewal.test_adding import stored

File = Callable[[Rows], Path]
CHANGED = {**records(4)[3], "premise": "cat ran"}


def cut_off(grow: Callable[[], Any]) -> None:
    """Cut off what grows once its version has its name, before CURRENT names it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(appending, "write_current", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            grow()


def lose_heads(index: Path) -> None:
    """Neither CURRENT nor its copy is left."""
    for name in (CURRENT, CURRENT_COPY):
        (index / name).unlink()


@pytest.fixture
def appender(grown: Path) -> Appender:
    return Appender(grown)


def test_damage_of_any_file_of_a_version_is_refused_not_taken_over(grown: Path, appender: Appender, file_of: File) -> None:
    new, changed = file_of([records(BEGUN + 1)[BEGUN]]), file_of([CHANGED])
    delete_ids(grown, ["t1"])
    version, saved = grown / "versions" / "1", grown.with_name("saved")
    shutil.copytree(version, saved)
    for name in read_manifest(grown, "1").files:
        flip(version / name)
        with pytest.raises(DamageError, match=rf"{name}: .*attridex repair"):
            appender.append([new])
        shutil.copyfile(saved / name, version / name)
    flip(next(grown.glob("shards/*/gradients.faiss")))
    with pytest.raises(DamageError, match=r"gradients\.faiss"):
        refresh(grown)
    flip(version / "catalog.duckdb")
    for grow in (lambda: appender.update([changed]), lambda: refresh(grown)):
        with pytest.raises(DamageError, match=r"catalog\.duckdb"):
            grow()
    assert list_versions(grown) == ["1"]
    repair(grown)
    assert appender.append([new]).instances == 1


def test_what_is_shared_with_the_version_before_keeps_the_hash_that_was_written(
    grown: Path, appender: Appender, file_of: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_ranges = appending.build_ranges

    def damaging(*given: Any, **named: Any) -> int:
        flip(grown / "versions" / "1" / "approximate_norms.npy")
        return build_ranges(*given, **named)

    monkeypatch.setattr(appending, "build_ranges", damaging)
    appender.append([file_of([records(BEGUN + 1)[BEGUN]])])
    assert len([problem for problem in problems(grown) if "versions/2/approximate_norms.npy: damaged" in problem]) == 1


def test_no_undelete_brings_a_replaced_row_back_beside_its_successor(grown: Path, appender: Appender, file_of: File) -> None:
    appender.update([file_of([CHANGED])])
    activate(grown, "1")
    with pytest.raises(InputError, match=r"'t3' came in again in version 2, .*`attridex activate .* 2`"):
        undelete_ids(grown, ["t3"])
    activate(grown, "2")
    assert len(live(grown)) == BEGUN
    delete_ids(grown, ["t3", "t4"])
    activate(grown, "1")
    assert undelete_ids(grown, ["t4"]).instances == 1
    assert undelete_ids(grown, ["t3"]).instances == 0, "its last delete is undone, which is of the later row"
    activate(grown, "2")
    assert len(live(grown)) == BEGUN


def test_an_update_that_was_cut_off_never_counts_by_another_entry_of_the_log(
    grown: Path, appender: Appender, file_of: File, tmp_path: Path
) -> None:
    cut_off(lambda: appender.update([file_of([CHANGED])]))
    assert list_versions(grown) == ["1", "2"]
    for use in (lambda: activate(grown, "2"), lambda: snapshot(grown, tmp_path / "2.tar", "2")):
        with pytest.raises(InputError, match=r"version 2 never counted, .* run that update again"):
            use()
    assert snapshot(grown, tmp_path / "all.tar", every=True).versions == ["1"]
    delete_ids(grown, ["t4"])
    assert list_versions(grown) == ["1"]
    before = live(grown)
    assert appender.update([file_of([CHANGED])]).replaced == 1
    assert live(grown).keys() == before.keys()
    assert problems(grown) == []


@pytest.mark.parametrize("damaged", ["versions/3/catalog.duckdb", "shards/0000000011-0000000012/norms.npy"])
def test_a_repair_without_current_serves_the_last_version_that_counted(
    grown: Path, appender: Appender, file_of: File, damaged: str
) -> None:
    """An update that was cut off leaves a version that must not be served; one that was acknowledged must be."""
    appender.append([file_of([records(BEGUN + 1)[BEGUN]])])
    before = live(grown)
    cut_off(lambda: appender.update([file_of([CHANGED])]))
    flip(grown / damaged)
    lose_heads(grown)
    assert repair(grown)
    assert (read_current(grown), live(grown), problems(grown)) == ("2", before, [])
    appender.update([file_of([CHANGED])])
    after = live(grown)
    lose_heads(grown)
    assert repair(grown)
    assert (live(grown), problems(grown)) == (after, [])
    assert after["t3"] != before["t3"]


def test_what_grows_keeps_what_the_served_version_has_not_an_older_one_of_the_same_shards(
    grown: Path, appender: Appender, file_of: File, tmp_path: Path
) -> None:
    new = file_of([records(BEGUN + 1)[BEGUN]])
    cut_off(lambda: appender.append([new]))
    add_columns(grown, Wanted(write_jsonl(tmp_path / "more.jsonl", [{"id": f"t{row}", "note": row} for row in range(BEGUN)])))
    delete_ids(grown, ["t3"])
    appender.append([new])
    assert read_manifest(grown, read_current(grown)).added == ["note"]
    appender.update([file_of([CHANGED])])
    assert stored(grown, "note")[-2:] == [("t10", None), ("t3", None)], "what was deleted is not replaced: it comes in anew"


def test_an_update_that_would_leave_a_record_out_is_refused(
    grown: Path, appender: Appender, file_of: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, changed = live(grown), file_of([CHANGED])
    with monkeypatch.context() as patch:
        patch.setattr(ranges.RangeResults, "sound", lambda *_: ([], [LeftOut(id="t3", position=10, reason="loss not finite")]))
        with pytest.raises(NumericError, match=r"'t3' cannot replace what is there \(loss not finite\)"):
            appender.update([changed])
    assert (live(grown), read_current(grown)) == (before, "1")


def test_no_shard_of_a_later_batch_stays_behind_a_compaction_that_leaves_no_version_of_it(
    grown: Path, appender: Appender, file_of: File
) -> None:
    appender.append([file_of([records(BEGUN + 1)[BEGUN]])])
    activate(grown, "1")
    compact(grown)
    assert [path.name for path in sorted(grown.glob("shards/*"))] == [
        entry.name for entry in read_manifest(grown, read_current(grown)).shards
    ]
    assert problems(grown) == []
