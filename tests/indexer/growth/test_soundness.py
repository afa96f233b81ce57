"""What grows takes over no damage; no record is live twice, and none is lost."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attridex.indexer.errors import DamageError, InputError
from attridex.indexer.growth.appending import Appender
from attridex.indexer.growth.refreshing import refresh
from attridex.indexer.index.directory import list_versions, read_manifest
from attridex.indexer.lifecycle.deleting import delete_ids, undelete_ids
from attridex.indexer.lifecycle.versions import activate
from attridex.indexer.renewal.repair import repair
from tests.conftest import records
from tests.indexer.growth.conftest import BEGUN, Rows
from tests.indexer.growth.test_repairing import live
from tests.indexer.renewal.conftest import flip, problems

File = Callable[[Rows], Path]
CHANGED = {**records(4)[3], "premise": "cat ran"}


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
    from attridex.indexer.growth import appending

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
