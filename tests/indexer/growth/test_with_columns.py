"""An index that grows keeps the columns that were added to it, and follows its corpus."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from attridex.indexer.config import load_config
from attridex.indexer.growth.appending import append, update
from attridex.indexer.growth.refreshing import refresh
from attridex.indexer.index.directory import read_current
from attridex.indexer.lifecycle.deleting import delete_ids
from attridex.indexer.lifecycle.liveness import read_deleted
from attridex.indexer.lifecycle.snapshots import restore, snapshot
from attridex.indexer.renewal.adding import add_columns
from attridex.indexer.renewal.building import build
from attridex.indexer.renewal.compaction import compact
from attridex.indexer.renewal.joining import Wanted
from attridex.indexer.renewal.repair import repair
from tests.conftest import records, write_jsonl
from tests.indexer.renewal.conftest import flip, problems
from tests.indexer.renewal.test_adding import stored, values


def live(index: Path, *names: str) -> dict[str, list[Any]]:
    """Columns of the live rows, by id."""
    gone = read_deleted(index, read_current(index))
    return {name: rest for row, (name, *rest) in enumerate(stored(index, *names)) if row not in gone}


def test_added_columns_follow_their_rows_through_every_later_version(project: Callable[..., Path], tmp_path: Path) -> None:
    config, index, rows = load_config(project(count=12)), tmp_path / "index", records(13)
    build(config, index, show_progress=False)
    delete_ids(index, ["t2"])
    add_columns(index, Wanted(write_jsonl(tmp_path / "new.jsonl", values(12))))
    delete_ids(index, ["t5"])
    append(index, [write_jsonl(tmp_path / "appended.jsonl", [rows[12], rows[5]])], show_progress=False)
    rows[3] = {**rows[3], "premise": "a doctor"}
    update(index, [write_jsonl(tmp_path / "updated.jsonl", [rows[3]])], show_progress=False)
    known = {f"t{row}": [["web", "wiki"][row % 2]] for row in range(12) if row not in (2, 5)}
    wanted = known | {"t5": [None], "t12": [None]}  # t5 came again after its delete: another instance of that id
    assert live(index, "source") == wanted, "an updated row keeps its values, a new one has none"
    write_jsonl(tmp_path / "train.jsonl", [row for row in rows if row["id"] != "t2"])
    assert build(config, index, show_progress=False).signed == 0, "the index has followed its corpus"
    refresh(index)
    assert live(index, "source") == wanted
    snapshot(index, tmp_path / "all.tar", every=True)
    restore(tmp_path / "all.tar", tmp_path / "restored")
    assert (problems(tmp_path / "restored"), live(tmp_path / "restored", "source")) == ([], wanted)
    compact(index)
    assert (problems(index), live(index, "source")) == ([], wanted)
    flip(next(index.glob("versions/*/catalog.duckdb")))
    repair(index)
    assert (problems(index), live(index, "source")) == ([], wanted)
    add_columns(index, Wanted(write_jsonl(tmp_path / "more.jsonl", [{"id": "t5", "note": 1}]), partial=True))
    assert live(index, "source", "note")["t5"] == [None, 1]
