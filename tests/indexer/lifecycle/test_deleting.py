"""Deletes are facts about ids: no version, repair, rebuild, activation or crash brings an acknowledged one back."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from attridex.indexer.errors import DamageError, InputError
from attridex.indexer.index.deletes import Entry, Log, NamedRow, parse_log
from attridex.indexer.index.directory import list_versions, read_current, read_deletes, read_manifest, write_current
from attridex.indexer.index.layout import CURRENT, CURRENT_COPY, DELETES, DELETES_COPY
from attridex.indexer.index.verify import verify
from attridex.indexer.lifecycle import deleting
from attridex.indexer.lifecycle.deleting import delete_ids, delete_rows, undelete_ids
from attridex.indexer.lifecycle.liveness import read_deleted, served_manifest
from attridex.indexer.lifecycle.versions import activate
from tests.indexer.test_files import killed_at_each_write


def hidden(index: Path, version: str | None = None) -> set[int]:
    return read_deleted(index, version or read_current(index))


def problems(index: Path) -> list[str]:
    return [str(found.problem) for found in verify(index) if found.problem]


def test_a_delete_hides_an_id_in_every_version(index: Path) -> None:
    before = hidden(index)
    done = delete_ids(index, ["t3", "t5", "t3"], by="someone")
    assert (done.seq, done.instances) == (2, 2)
    assert all(hidden(index, number) == before | {3, 5} for number in list_versions(index))
    assert delete_ids(index, ["t5"]) == (2, 0), "deleted already: nothing to log"
    assert undelete_ids(index, ["t3"]) == (3, 1)
    assert hidden(index) == before | {5}
    assert served_manifest(index, "3", read_deletes(index)).version == "3+3"
    assert problems(index) == []


def test_an_undelete_of_many_ids_looks_at_the_rows_of_each_alone(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids, looked, real = ["t3", "t5", "t7"], list[list[str]](), deleting.deleted_names
    delete_ids(index, ids)

    def names(index: Path, wanted: str, own: Sequence[NamedRow], log: Log) -> list[str]:
        looked.append([row.id for row in own])
        return real(index, wanted, own, log)

    monkeypatch.setattr(deleting, "deleted_names", names)
    assert undelete_ids(index, ids) == (3, 3)
    assert looked == [[each] for each in ids]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda index: delete_ids(index, ["none"]), "no instance 'none' in version 3; ids are as 't0'"),
        (lambda index: delete_rows(index, range(42)), "every instance"),
        (lambda index: delete_rows(index, [42]), "0 and 41"),
        (lambda index: undelete_ids(index, ["none"]), "no deleted instance 'none'"),
        (lambda index: undelete_ids(index, ["t3"]), "'t3' is not deleted"),
        (lambda index: activate(index, "9"), "no version '9'; there are 1, 2, 3"),
    ],
)
def test_what_cannot_be_done_is_refused_and_logs_nothing(index: Path, change: Callable[[Path], Any], said: str) -> None:
    before = (index / DELETES).read_bytes()
    with pytest.raises(InputError, match=said):
        change(index)
    assert (index / DELETES).read_bytes() == before


def test_activation_undoes_no_delete(index: Path) -> None:
    delete_ids(index, ["t3"])
    for number in ("1", "2", "3"):
        activate(index, number)
        assert 3 in hidden(index)
        assert problems(index) == []


def row(content: str = "c", since: int = 0, id: str = "a", owner: str | None = None) -> NamedRow:
    return NamedRow(0, id, owner or id, content, since)


def logged(*actions: tuple[str, str] | tuple[str, str, str]) -> Log:
    log = Log.begun("2026-11-28T09:00:00+00:00")
    for action, name, *content in actions:
        log = log.with_entry("2026-11-28T09:00:00+00:00", action, [name], [*content, None][:1] if action == "delete" else [], "")  # type: ignore[arg-type]
    return log


@pytest.mark.parametrize(
    ("log", "which", "live"),
    [
        (logged(("delete", "a")), row(), False),
        (logged(("delete", "a")), row(since=1), True),  # appended later
        (logged(("delete", "a"), ("undelete", "a")), row(), True),
        (logged(("delete", "a"), ("delete", "a"), ("undelete", "a")), row(), False),  # replaced, then deleted and undeleted
        (logged(("delete", "a"), ("delete", "a"), ("undelete", "a")), row(since=1), True),
        (logged(("delete", "d")), row(id="d#1", owner="d"), False),  # a document covers its windows
        (logged(("delete", "d")), row(id="d#1"), True),
        (logged(("delete", "a", "c")), row("c"), False),
        (logged(("delete", "a", "c")), row("other"), True),  # a position holds another record now
        (logged(("delete", "d", "c")), row("other", id="d#1", owner="d"), True),  # a document's first window alone
    ],
)
def test_a_row_is_hidden_by_the_deletes_that_came_after_it_and_are_not_undone(log: Log, which: NamedRow, live: bool) -> None:
    assert (log.hides(which) == []) is live


def test_a_kill_between_any_two_writes_loses_nothing_that_was_acknowledged(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete_ids(index, ["t3"])
    ends = []
    for number, attempt in enumerate(killed_at_each_write(monkeypatch)):
        copy, acknowledged = Path(shutil.copytree(index, tmp_path / f"copy-{number}")), False
        with attempt:
            delete_ids(copy, ["t4"])
            acknowledged = True
        ends.append(4 in hidden(copy))
        assert 3 in hidden(copy)
        assert ends[-1] or not acknowledged
        delete_ids(copy, ["t6"])  # clears what was left half written
        assert {3, 6} <= hidden(copy)
        assert (4 in hidden(copy)) == ends[-1], "what was not acknowledged does not come to life later"
        assert problems(copy) == []
    assert ends == sorted(ends)
    assert {*ends} == {False, True}


@pytest.mark.parametrize("name", [DELETES, DELETES_COPY, CURRENT, CURRENT_COPY])
@pytest.mark.parametrize("how", ["flip", "cut", "empty", "lose", "add", "older"])
def test_a_log_that_is_not_the_acknowledged_one_is_damage_and_never_no_deletes(index: Path, name: str, how: str) -> None:
    path = index / name
    older = path.read_bytes()
    delete_ids(index, ["t3"])
    content = path.read_bytes()
    middle = len(content) // 2
    changed = {
        "flip": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "cut": content[:-3], "empty": b"", "add": content + b"\0", "older": older,
    }  # fmt: skip
    if how == "lose":
        path.unlink()
    else:
        path.write_bytes(changed[how])
    if (name, how) == (CURRENT, "older"):
        assert 3 in hidden(index), "its copy knows better"
        return
    assert [problem for problem in problems(index) if str(path) in problem]
    if name != CURRENT_COPY:
        with pytest.raises(DamageError):
            hidden(index)
        with pytest.raises(DamageError):
            delete_ids(index, ["t4"])


def test_a_number_of_entries_that_was_flipped_is_damage_of_the_file_that_has_it(index: Path) -> None:
    for name in (CURRENT, CURRENT_COPY):
        right = (index / name).read_text()
        version, manifest, seq, line = right.split()
        (index / name).write_text(f"{version} {manifest} {int(seq) + 2} {line}\n")
        assert str(index / name) in problems(index)[0]
        (index / name).write_text(right)
    assert problems(index) == []


def test_a_log_says_who_deleted_what(index: Path) -> None:
    delete_ids(index, ["t3", "t4"], by="someone")
    entry = parse_log((index / DELETES).read_bytes(), index / DELETES).entries[-1]
    assert (entry.action, entry.ids, entry.by) == ("delete", ["t3", "t4"], "someone")


@pytest.mark.parametrize("at", ["", "today", "2026-11-28", "2026-11-28T09:00:00"])
def test_an_entry_whose_time_is_none_or_has_no_zone_is_refused_under_a_whole_seal(at: str) -> None:
    begun = Log.begun("2026-11-28T09:00:00+00:00")
    crafted = Entry.model_construct(seq=1, at=at, action="delete", ids=["a"], contents=[None], by="", prior=begun.head.sha256)
    with pytest.raises(InputError, match="not a record that this attridex knows"):
        parse_log(begun.content + crafted.line, Path(DELETES))


def test_an_index_of_format_2_is_not_written_to(old: Path) -> None:
    with pytest.raises(InputError, match="attridex migrate"):
        delete_ids(old, ["t3"])


def test_migration_keeps_what_is_deleted_and_signs_nothing(old: Path) -> None:
    from attridex.indexer.lifecycle.migration import migrate

    gone, before = hidden(old), read_manifest(old, "2")
    assert gone
    after = migrate(old)
    assert (after.format, after.version, hidden(old), hidden(old, "1")) == (3, "3", gone, gone)
    assert [entry.sha256 for entry in after.shards] == [entry.sha256 for entry in before.shards]
    assert problems(old) == []
    with pytest.raises(InputError, match="format 3 already"):
        migrate(old)
    write_current(old, "1")
    assert hidden(old) == gone


def test_a_migration_that_is_killed_leaves_an_index_of_one_format_or_the_other(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from attridex.indexer.lifecycle.migration import migrate

    gone = hidden(old)
    for number, attempt in enumerate(killed_at_each_write(monkeypatch, ["replace"])):
        copy = Path(shutil.copytree(old, tmp_path / f"copy-{number}"))
        with attempt:
            migrate(copy)
        assert hidden(copy) == gone
        if read_deletes(copy) is None:
            migrate(copy)
        assert hidden(copy) == gone
        assert problems(copy) == []


def test_a_damaged_index_is_not_migrated(old: Path) -> None:
    from attridex.indexer.lifecycle.migration import migrate

    next(old.glob("shards/*/norms.npy")).unlink()
    with pytest.raises(DamageError, match=r"not migrated .*norms.npy: missing"):
        migrate(old)
    assert read_deletes(old) is None


def test_the_commands_delete_and_undelete(index: Path, attridex: Callable[..., Any], tmp_path: Path) -> None:
    before = hidden(index)
    assert attridex("delete", index, "--where", "id = 't3' OR id = 't4'", "--json").lines == [
        {"index": str(index), "deleted": 2, "entries": 2}
    ]
    (tmp_path / "ids").write_text("t7\nt8\n")
    assert "2 instances deleted (entry 3" in attridex("delete", index, "--ids", f"@{tmp_path / 'ids'}").err
    assert "1 instance undeleted" in attridex("undelete", index, "--ids", "t7").err
    assert hidden(index) == before | {3, 4, 8}
    assert attridex("activate", index, "1").code == 0
    assert [(line["version"], line["current"]) for line in attridex("versions", index, "--json").lines] == [
        ("1", True), ("2", False), ("3", False),
    ]  # fmt: skip
    for arguments, said in [
        ((), "either --ids or --where"),
        (("--ids", ","), "no id there"),
        (("--ids", "@x"), "No such file"),
    ]:
        ran = attridex("delete", index, *arguments)
        assert (ran.code, said in ran.err) == (2, True), ran.err
