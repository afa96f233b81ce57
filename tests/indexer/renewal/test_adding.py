"""Added columns: joined by id, typed as the corpus's, and kept by every later version."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attridex.client import Client
from attridex.indexer.errors import DamageError, InputError
from attridex.indexer.index.catalog import Catalog
from attridex.indexer.index.directory import read_current, read_manifest
from attridex.indexer.index.layout import ADDED, ADDED_COPY, CATALOG, version_dir
from attridex.indexer.lifecycle.deleting import delete_ids, undelete_ids
from attridex.indexer.lifecycle.migration import migrate
from attridex.indexer.lifecycle.snapshots import restore, snapshot
from attridex.indexer.lifecycle.versions import activate
from attridex.indexer.renewal.adding import add_columns
from attridex.indexer.renewal.compaction import compact
from attridex.indexer.renewal.joining import Wanted
from attridex.indexer.renewal.repair import repair
from tests.conftest import write_jsonl
from tests.indexer.renewal.conftest import DAMAGE, copies, files_of, flip, problems
from tests.indexer.test_files import killed_at_each_write

OLD = Path(__file__).parents[2] / "fixtures" / "index_5f8e7b1"


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """An index of 42 instances, one of them deleted, whose model is not there."""
    made = Path(shutil.copytree(OLD, tmp_path / "index"))
    migrate(made)
    return made


def values(count: int) -> list[dict[str, Any]]:
    return [{"id": f"t{row}", "source": ["web", "wiki"][row % 2], "quality": row / 2} for row in range(count)]


def stored(index: Path, *names: str) -> list[tuple[Any, ...]]:
    """Columns of the served version's catalog, by row."""
    catalog = Catalog(version_dir(index, read_current(index)) / CATALOG)
    found = catalog.select(f"SELECT {', '.join(('id', *names))} FROM instances ORDER BY row")
    catalog.close()
    return found


def test_added_columns_are_filtered_and_shown_and_everything_else_stays(index: Path, tmp_path: Path) -> None:
    before = stored(index, "*")
    path = write_jsonl(tmp_path / "new.jsonl", values(42)[::-1])
    done = add_columns(index, Wanted(path))
    assert done == ("4", {"source": "VARCHAR", "quality": "DOUBLE"}, 41, 0, 0)
    assert problems(index) == []
    assert [(name, *row) for name, *row in stored(index, "source", "quality")] == [tuple(each.values()) for each in values(42)]
    assert [row[: len(before[0])] for row in stored(index, "*")] == before
    with Client.local(index, model=False) as client:
        page = client.list_page(where="source = 'wiki' AND quality > 18", fields=["source", "quality"])
        assert [(hit.id, hit.fields["quality"]) for hit in page.instances] == [("t37", 18.5), ("t39", 19.5), ("t41", 20.5)]


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        (values(43), {}, "1 ids are of no instance, the first is 't42'; --partial"),
        (values(40), {}, "2 instances have no record there, the first is 't40'; --partial"),
        ([*values(42), values(1)[0]], {}, r":43: id 't0' stood before, at .*:1"),
        ([{**each, "id": None} for each in values(2)], {}, "no id in column 'id'"),
        ([{"name": "t1", "a": 1}], {}, r"no id in column 'id' \(--id names it\); known: a, name"),
        ([{"id": "t1"}], {}, "no column beside 'id'"),
        ([], {}, "no records there"),
        ([{"id": f"t{row}", "loss": 1} for row in range(42)], {}, "'loss' .*attridex uses itself"),
        ([{"id": f"t{row}", "self_influence_x": 1} for row in range(42)], {}, "attridex uses itself"),
        ([{"id": f"t{row}", "shown_label": 1} for row in range(42)], {}, "attridex uses itself"),
        ([{"id": f"t{row}", "Premise": 1} for row in range(42)], {}, "'premise' is the corpus's own"),
        ([{"id": f"t{row}", "a": 1, "A": 2} for row in range(42)], {}, "differ only in case"),
        ([{"id": f"t{row}", "a": None} for row in range(42)], {}, "'a': no instance gets a value"),
        ([{"id": f"t{row}", "a": float("inf")} for row in range(42)], {}, ":1: column 'a' holds inf"),
        (values(42), {"columns": ["sorce"]}, "no column 'sorce' .*did you mean 'source'"),
    ],
)
def test_what_cannot_be_added_is_refused_in_one_line(
    index: Path, tmp_path: Path, rows: list[dict[str, Any]], options: dict[str, Any], said: str
) -> None:
    before = files_of(index)
    with pytest.raises(InputError, match=said) as refused:
        add_columns(index, Wanted(write_jsonl(tmp_path / "new.jsonl", rows), **options))
    assert "\n" not in str(refused.value)
    assert files_of(index) == before


def test_a_column_is_replaced_only_where_that_is_said_and_part_of_the_ids_where_that_is_said(index: Path, tmp_path: Path) -> None:
    add_columns(index, Wanted(write_jsonl(tmp_path / "new.jsonl", values(42))))
    (tmp_path / "more.csv").write_text("name,source,zip\nt1,7,007\nt2,,12\nnone,8,1\n")
    with pytest.raises(InputError, match="'source' was added before; --replace"):
        add_columns(index, Wanted(tmp_path / "more.csv", "name"))
    done = add_columns(index, Wanted(tmp_path / "more.csv", "name", partial=True, replace=True))
    assert (done.columns, done.without, done.unknown) == ({"source": "BIGINT", "zip": "VARCHAR"}, 39, 1)
    assert stored(index, "quality", "source", "zip")[:3] == [
        ("t0", 0.0, None, None),
        ("t1", 0.5, 7, "007"),
        ("t2", 1.0, None, "12"),
    ]
    assert read_manifest(index, read_current(index)).added == ["quality", "source", "zip"]


def test_a_record_of_a_document_is_of_all_its_windows(tmp_path: Path) -> None:
    """See `record_of`; which rows are a document's, `named_rows` says."""
    from attridex.indexer.index.deletes import NamedRow
    from attridex.indexer.readers.placed_records import PlacedRecord
    from attridex.indexer.renewal.joining import record_of

    rows = [NamedRow(at, f"d#{at}", "d", "", 0) for at in range(2)]
    records = {"d": PlacedRecord({"id": "d", "a": 1}, "x:1")}
    assert [record_of(row, records, Wanted(tmp_path)) for row in rows] == [records["d"]] * 2
    with pytest.raises(InputError, match=r"'d#1' .*has a record, and so has 'd'"):
        record_of(rows[1], {**records, "d#1": records["d"]._replace(where="x:2")}, Wanted(tmp_path))


def test_no_delete_comes_back_and_undeleted_rows_have_their_values(index: Path, tmp_path: Path) -> None:
    delete_ids(index, ["t3"])
    add_columns(index, Wanted(write_jsonl(tmp_path / "new.jsonl", values(42))))
    with Client.local(index, model=False) as client:
        assert client.list_page(where="id = 't3'").instances == ()
    undelete_ids(index, ["t3"])
    with Client.local(index, model=False) as client:
        assert client.list_page(where="id = 't3'", fields=["source"]).instances[0].fields["source"] == "wiki"


def test_a_kill_before_anything_takes_its_name_leaves_the_version_before_or_the_one_after(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, ends = Wanted(write_jsonl(tmp_path / "new.jsonl", values(42)), replace=True), []
    for attempt, copy in zip(killed_at_each_write(monkeypatch, ["replace"]), copies(index, tmp_path / "copy"), strict=False):
        with attempt:
            add_columns(copy, wanted)
        ends.append(read_current(copy))
        add_columns(copy, wanted)  # clears what was left half written
        assert (problems(copy), stored(copy, "source")[1]) == ([], ("t1", "wiki"))
    assert (ends == sorted(ends), {*ends}) == (True, {"3", "4"})


@pytest.fixture
def grown(built: Path, tmp_path: Path) -> Path:
    """An index that has its model, with added columns."""
    add_columns(built, Wanted(write_jsonl(tmp_path / "new.jsonl", values(12))))
    return built


def test_repair_keeps_added_columns_from_whichever_of_their_files_is_whole(grown: Path, tmp_path: Path) -> None:
    before = stored(grown, "source", "quality")
    for number, name in enumerate((CATALOG, ADDED, ADDED_COPY)):
        for how, damage in DAMAGE.items():
            copy = Path(shutil.copytree(grown, tmp_path / f"copy-{number}-{how}"))
            damage(version_dir(copy, read_current(copy)) / name)
            assert repair(copy)
            assert problems(copy) == []
            assert stored(copy, "source", "quality") == before
    for name in (ADDED, ADDED_COPY):
        flip(version_dir(grown, read_current(grown)) / name)
    with pytest.raises(DamageError, match=r"columns\.parquet: cannot be mended .*add source, quality again"):
        repair(grown)


def test_compaction_activation_and_snapshots_keep_them_and_forget_what_is_deleted(grown: Path, tmp_path: Path) -> None:
    add_columns(
        grown,
        Wanted(write_jsonl(tmp_path / "x.jsonl", [{"id": "t1", "note": "zqsecretx"}, {"id": "t2", "note": "b"}]), partial=True),
    )
    before = {name: rest for name, *rest in stored(grown, "source", "quality", "note")}
    compact(grown)
    after = {name: rest for name, *rest in stored(grown, "source", "quality", "note")}
    assert after == {name: rest for name, rest in before.items() if name not in ("t1", "t7")}
    assert [path for path in files_of(grown) if b"zqsecretx" in path.read_bytes()] == []
    snapshot(grown, tmp_path / "s.tar")
    restore(tmp_path / "s.tar", tmp_path / "restored")
    assert {name: rest for name, *rest in stored(tmp_path / "restored", "source", "quality", "note")} == after


def test_the_command_says_what_it_added(index: Path, tmp_path: Path, attridex: Callable[..., Any]) -> None:
    path = write_jsonl(tmp_path / "new.jsonl", values(42))
    ran = attridex("add-columns", index, path, "--columns", "source", "--json")
    assert json.loads(ran.out) == {
        "index": str(index), "version": "4", "columns": {"source": "VARCHAR"}, "instances": 41, "without": 0, "unknown": 0,
    }  # fmt: skip
    ran = attridex("add-columns", index, path, "--columns", "quality")
    assert (ran.code, "version 5, quality (DOUBLE) for 41 instances" in ran.err) == (0, True)
    assert attridex("add-columns", index, path).code == 2
    activate(index, "4")
    assert attridex("add-columns", index, path, "--columns", "quality").code == 0
