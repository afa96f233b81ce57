"""Indices in object storage, through the commands: what a directory does, a URL does."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attridex.indexer.errors import DamageError
from attridex.indexer.files import file_hash
from attridex.indexer.growth.appending import append
from attridex.indexer.lifecycle.deleting import delete_ids
from attridex.indexer.remote import reading
from attridex.indexer.remote.changing import changing
from attridex.indexer.remote.heads import LostRaceError, newest_head
from attridex.indexer.remote.objects import Objects
from tests.conftest import records, write_jsonl
from tests.indexer.remote.conftest import contents, killed_at, newest
from tests.indexer.renewal.conftest import flip, write

Run = Callable[..., Any]
Machine = Callable[[str], Path]


def more(directory: Path, name: str, *numbers: int) -> Path:
    """A file of further records."""
    rows = [{**records(60)[number], "id": f"{name}-{number}"} for number in numbers]
    return write_jsonl(directory / f"{name}.jsonl", rows)


def live(attridex: Run, root: str) -> int:
    """How many instances an index answers from."""
    ran = attridex("info", root, "--json")
    assert ran.code == 0, ran.err
    return int(ran.lines[0]["instances"])


def test_a_build_an_append_and_questions_at_a_url_give_what_a_directory_gives(
    root: str, small: Path, attridex: Run, machine: Machine, tmp_path: Path
) -> None:
    source, local, extra = small, tmp_path / "local", more(tmp_path, "extra", 20, 21)
    assert attridex("build", source / "config.toml", "--out", root).code == 0
    shutil.copytree(source / "index", local)
    for place in (local, root):
        ran = attridex("append", place, extra)
        assert ran.code == 0, ran.err
    assert f"{root}: head 2, " in ran.err
    assert f"{root}: version 2, 2 instances came in" in ran.err
    assert "caches" not in ran.err
    cache = machine("another")
    query = ("query", "ia", "--queries", source / "queries.jsonl", "--json", "--index")
    here, there = attridex(*query, local), attridex(*query, root)
    assert there.code == 0, there.err
    assert there.lines == here.lines
    for command in ("info", "versions", "verify"):
        ran = attridex(command, root, "--json")
        assert (ran.code, "caches" in ran.out) == (0, False), ran.err
    assert not list(cache.glob("*/readers/*"))  # each is gone with its command


def test_of_two_appenders_one_wins_and_the_other_is_told_and_loses_nothing(
    published: str, attridex: Run, machine: Machine, tmp_path: Path
) -> None:
    one, two = more(tmp_path, "one", 20), more(tmp_path, "two", 21, 22)

    def meanwhile() -> None:
        with changing(published) as directory:
            append(directory, [one])
            machine("faster")
            assert attridex("append", published, two).code == 0

    with pytest.raises(LostRaceError, match="another writer has published head 2 first; this change is kept in ") as lost:
        meanwhile()
    assert live(attridex, published) == 14
    kept = str(lost.value).split(" kept in ")[1].split(";")[0]
    assert (attridex("verify", kept).code, live(attridex, kept)) == (0, 13)
    machine("here")
    ran = attridex("append", published, one)
    assert ran.code == 0, ran.err
    assert live(attridex, published) == 15


@pytest.mark.parametrize("at", ["objects", "published"])
def test_what_a_killed_uploader_left_counts_for_nobody_until_the_next_command_publishes_it(
    published: str, attridex: Run, machine: Machine, at: str
) -> None:
    before = contents(published)
    killed_at(at, ["delete", published, "--ids", "t1"])
    counts = at == "published"
    assert {name: each for name, each in contents(published).items() if name in before} == before
    machine("another")
    assert live(attridex, published) == (11 if counts else 12)
    machine("here")
    ran = attridex("delete", published, "--ids", "t2")
    assert ran.code == 0, ran.err
    assert ("cut off" in ran.err) == (not counts)
    machine("another")
    assert live(attridex, published) == 10
    assert attridex("verify", published).code == 0


def test_a_command_that_was_cut_off_behind_another_one_is_put_aside_and_told(
    shared: str, attridex: Run, machine: Machine
) -> None:
    killed_at("heads", ["delete", shared, "--ids", "t1"])
    machine("another")
    assert attridex("delete", shared, "--ids", "t2").code == 0
    machine("here")
    ran = attridex("delete", shared, "--ids", "t3")
    assert (ran.code, "what a command left that was cut off is kept in " in ran.err) == (0, True), ran.err
    assert live(attridex, shared) == 10


def test_a_flipped_or_missing_object_is_named_and_signed_again(published: str, attridex: Run, machine: Machine) -> None:
    files, objects = newest(published)["files"], Objects(published)
    names = [f"objects/{entry['sha256']}" for name, entry in files.items() if name.endswith(("hidden.faiss", "norms.npy"))][:2]
    before = contents(published)
    objects.write(names[0], before[names[0]][:-1] + bytes([before[names[0]][-1] ^ 1]), len(before[names[0]]))
    cache = machine("another")
    for how in ("damaged", "missing"):
        for command in (("info", published), ("query", "ia", "--instance", "t1", "--index", published)):
            ran = attridex(*command)
            assert (ran.code, ran.err.count("\n")) == (1, 1), ran.err
            assert f"error: {published}/{names[0]}: {how}" in ran.err
        objects.remove([names[0]])
    assert not list(cache.glob("*/readers/*"))
    machine("repairer")
    ran = attridex("repair", published, "--json")
    assert ran.code == 0, ran.err
    path = next(name for name, entry in files.items() if names[0].endswith(entry["sha256"]))
    assert f"{published}/{path}: its object" in ran.lines[0]["mended"]
    assert contents(published) == before
    machine("another")
    assert attridex("verify", published).code == 0


def test_a_damaged_head_is_written_again_by_who_wrote_it_and_refused_by_all_others(
    published: str, attridex: Run, machine: Machine
) -> None:
    machine("writer")
    assert attridex("delete", published, "--ids", "t2").code == 0
    before, objects = contents(published), Objects(published)
    name = objects.listed("heads")[-1].name
    objects.write(name, b"flipped", 7)
    for place, command in (("other", "repair"), ("other", "info"), ("writer", "info")):
        machine(place)
        ran = attridex(command, published)
        assert (ran.code, ran.err.count("\n")) == (1, 1)
        assert f"{name}: damaged (not what was written); `attridex repair {published}` mends it on the machine" in ran.err
    machine("writer")
    ran = attridex("repair", published, "--json")
    assert (ran.code, ran.lines[0]["mended"]) == (0, [f"{published}/{name}"]), ran.err
    assert contents(published) == before


def test_a_flipped_cached_file_is_fetched_again(shared: str, attridex: Run, machine: Machine) -> None:
    cache = machine("another")
    assert live(attridex, shared) == 12
    kept = sorted(cache.glob("*/objects/*"))
    assert {path.name for path in kept} == {entry["sha256"] for entry in newest(shared)["files"].values()}
    flip(kept[0])
    write(kept[1], b"")
    kept[2].unlink()
    assert live(attridex, shared) == 12
    assert [file_hash(path) for path in kept] == [path.name for path in kept]


def test_after_a_compaction_nothing_is_left_that_the_index_does_not_name(shared: str, attridex: Run, machine: Machine) -> None:
    reader = machine("reader")
    live(attridex, shared)
    changer = machine("changer")
    assert attridex("delete", shared, "--ids", "t1,t2").code == 0
    before = set(contents(shared))
    Objects(shared).write("objects/" + "0" * 64, b"somebody is uploading this", 26)
    ran = attridex("compact", shared)
    assert ran.code == 0, ran.err
    named = {entry["sha256"] for entry in newest(shared)["files"].values()}
    left = {f"objects/{each}" for each in (*named, "0" * 64)} | {"heads/00000000003.json"}
    assert set(contents(shared)) == left
    assert before - left
    machine("reader")
    assert live(attridex, shared) == 10
    for cache in (reader, changer):
        assert {path.name for path in cache.glob("*/objects/*")} == named


def test_a_reader_whose_objects_leave_takes_the_newer_head_and_a_writer_writes_them_again(
    shared: str, attridex: Run, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = newest_head(Objects(shared))
    assert first
    machine("writer")
    assert attridex("delete", shared, "--ids", "t1,t2").code == 0
    assert attridex("compact", shared).code == 0
    machine("reader")
    with monkeypatch.context() as patched:  # it has looked before
        patched.setattr(reading, "newest_head", lambda objects, after=0: newest_head(objects, after) if after else first)
        assert live(attridex, shared) == 10
    create, lost = Objects.create, f"objects/{first.files['plan.json'].sha256}"
    monkeypatch.setattr(Objects, "create", lambda self, *given: (self.remove([lost]), create(self, *given))[1])
    assert attridex("delete", shared, "--ids", "t3").code == 0
    assert lost in contents(shared)


def test_what_was_cut_off_and_is_damaged_is_published_once_it_is_repaired(shared: str, attridex: Run, tmp_path: Path) -> None:
    def cut_off() -> None:
        with changing(shared) as directory:
            append(directory, [more(tmp_path, "one", 20)])
            flip(max(directory.glob("shards/*/norms.npy")))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut_off()
    ran = attridex("delete", shared, "--ids", "t1")
    assert (ran.code, "was not uploaded; `attridex repair" in ran.err, newest(shared)["number"]) == (1, True, 1), ran.err
    ran = attridex("repair", shared)
    assert ran.code == 0, ran.err
    assert live(attridex, shared) == 13


def test_changes_of_a_damaged_index_are_published_by_no_command(shared: str, attridex: Run) -> None:
    def broken() -> None:
        with changing(shared) as directory:
            delete_ids(directory, ["t1"])
            flip(directory / "deletes.log")

    with pytest.raises(DamageError, match=f"{shared}/deletes.log"):
        broken()
    assert newest(shared)["number"] == 1
