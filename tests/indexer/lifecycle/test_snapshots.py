"""A snapshot is the whole index in one file: it says of itself whether it is whole, and nothing half made has a name."""

import errno
import hashlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from attridex.indexer.errors import AttridexError, BusyError, DamageError, InputError
from attridex.indexer.files import file_hash, take_name
from attridex.indexer.held.locks import hold
from attridex.indexer.index.directory import list_versions, read_current, read_deletes
from attridex.indexer.index.layout import CURRENT, LOCK, version_dir
from attridex.indexer.index.records import FileEntry
from attridex.indexer.index.verify import verify
from attridex.indexer.lifecycle import snapshots
from attridex.indexer.lifecycle.archive import END, Snapshot, filling, header, is_member, write_list
from attridex.indexer.lifecycle.deleting import delete_ids
from attridex.indexer.lifecycle.liveness import read_deleted
from attridex.indexer.lifecycle.snapshots import restore, snapshot
from attridex.indexer.lifecycle.versions import activate


def contents(index: Path) -> dict[str, str]:
    """SHA-256 of every file but the lock, by its path."""
    paths = [path for path in index.rglob("*") if path.is_file() and path.name != LOCK]
    return {path.relative_to(index).as_posix(): file_hash(path) for path in paths}


def problems(index: Path) -> list[str]:
    return [str(found.problem) for found in verify(index) if found.problem]


@pytest.fixture
def taken(index: Path, tmp_path: Path) -> Path:
    """A snapshot of the served version."""
    snapshot(index, tmp_path / "taken.tar")
    return tmp_path / "taken.tar"


def test_what_is_restored_is_the_index_that_was_taken_byte_for_byte(index: Path, tmp_path: Path) -> None:
    delete_ids(index, ["t3"])
    found = snapshot(index, tmp_path / "all.tar", every=True)
    assert (found.version, found.versions) == ("3", ["1", "2", "3"])
    restore(tmp_path / "all.tar", tmp_path / "new" / "index")
    assert contents(tmp_path / "new" / "index") == contents(index)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.tar", "new", "old"], "nothing half made is left"
    with tarfile.open(tmp_path / "all.tar") as tar:
        assert tar.getnames()[1:] == sorted(contents(index)), "tar reads it, too"


@pytest.mark.parametrize("version", [None, "1"])
def test_an_acknowledged_delete_stays_deleted_whichever_version_is_restored(
    index: Path, tmp_path: Path, version: str | None
) -> None:
    delete_ids(index, ["t3", "t5"])
    snapshot(index, tmp_path / "one.tar", version)
    restore(tmp_path / "one.tar", tmp_path / "restored")
    assert problems(tmp_path / "restored") == []
    assert list_versions(tmp_path / "restored") == [version or "3"] == [read_current(tmp_path / "restored")]
    assert read_deleted(tmp_path / "restored", version or "3") == read_deleted(index, version or "3") >= {3, 5}
    before, after = read_deletes(index), read_deletes(tmp_path / "restored")
    assert before
    assert after
    assert after.head == before.head


def test_an_index_of_format_2_keeps_its_tombstones(old: Path, tmp_path: Path) -> None:
    snapshot(old, tmp_path / "old.tar", every=True)
    restore(tmp_path / "old.tar", tmp_path / "restored")
    assert contents(tmp_path / "restored") == contents(old)


def test_a_served_index_is_taken_whole_while_a_writer_is_told_to_wait(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = []

    def pack(*arguments: Any) -> None:
        with pytest.raises(BusyError):
            delete_ids(index, ["t3"])
        with pytest.raises(BusyError, match=r"another process.* is writing this snapshot"):
            snapshot(second, tmp_path / "taken.tar")
        refused.append(True)
        real(*arguments)

    second, real = Path(snapshots_copy(index, tmp_path / "second")), snapshots.pack
    monkeypatch.setattr(snapshots, "pack", pack)
    reader = hold(version_dir(index, "3"))
    snapshot(index, tmp_path / "taken.tar")
    reader.close()
    monkeypatch.undo()
    restore(tmp_path / "taken.tar", tmp_path / "restored")
    assert refused
    assert problems(tmp_path / "restored") == []


def snapshots_copy(index: Path, target: Path) -> Path:
    """Another index of the same content."""
    snapshot(index, target.with_suffix(".tar"))
    restore(target.with_suffix(".tar"), target)
    return target


def test_every_flipped_byte_and_every_cut_is_damage_and_leaves_nothing(taken: Path, tmp_path: Path) -> None:
    whole, target = taken.read_bytes(), tmp_path / "restored"
    places = {0, 100, 150, 520, 600, len(whole) - 1, len(whole) - len(END), *range(777, len(whole), 29989)}
    damaged = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in sorted(places)]
    damaged += [whole[:size] for size in (0, 1, 511, 512, 700, len(whole) // 2, len(whole) - len(END), len(whole) - 1)]
    for content in (*damaged, whole + b"\0"):
        taken.write_bytes(content)
        with pytest.raises(AttridexError, match=r"taken\.tar: .*(damaged|cut short|no snapshot)"):
            restore(taken, target)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["old", "taken.tar"]
    taken.write_bytes(whole)
    restore(taken, target)


def crafted(path: Path, files: dict[str, bytes]) -> Path:
    """A snapshot with a sealed list of any names."""
    entries = {name: FileEntry(bytes=len(each), sha256=hashlib.sha256(each).hexdigest()) for name, each in sorted(files.items())}
    out = io.BytesIO()
    write_list(out, Snapshot(format=3, version="1", versions=["1"], created="now", attridex="0", files=entries))
    for name, content in sorted(files.items()):
        out.write(header(name, len(content)) + content + filling(len(content)))
    path.write_bytes(out.getvalue() + END)
    return path


OUTSIDE = [
    "/etc/passwd", "../out", "versions/1/../../../out", "source/../../out", "shards//norms.npy", "source/", "versions/1/.",
    "versions/../plan.json", "versions/1/evil.py", "shards/1/run.sh", "notes.txt", ".lock", "source/a\\b", "shards/../norms.npy",
]  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_file_that_no_index_has_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="no file of an index; nothing was restored"):
        restore(crafted(tmp_path / "crafted.tar", {name: b"x"}), tmp_path / "a" / "restored")
    assert [path.name for path in tmp_path.iterdir()] == ["crafted.tar"]


def test_links_and_indices_that_are_not_whole_are_refused(taken: Path, tmp_path: Path) -> None:
    with tarfile.open(taken) as tar:
        files = {name: read.read() for name in tar.getnames()[1:] if (read := tar.extractfile(name))}
    for lacking in (CURRENT, "versions/3/catalog.duckdb", "deletes.log"):
        some = {name: content for name, content in files.items() if name != lacking}
        with pytest.raises(DamageError, match=r"the index in it is not whole .*restored"):
            restore(crafted(tmp_path / "crafted.tar", some), tmp_path / "restored")
    raw = bytearray((tmp_path / "crafted.tar").read_bytes())
    at = raw.index(b"versions/3/manifest.json", raw.index(b"ustar", 512) - 257)
    raw[at + 156 : at + 157] = tarfile.SYMTYPE
    (tmp_path / "crafted.tar").write_bytes(raw)
    with pytest.raises(DamageError, match="damaged"):
        restore(tmp_path / "crafted.tar", tmp_path / "restored")
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        tar.add(taken)
    with pytest.raises(InputError, match="no snapshot of an index"):
        restore(tmp_path / "other.tar", tmp_path / "restored")
    assert not (tmp_path / "restored").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from attridex.indexer.lifecycle.snapshots import restore, snapshot
def end(*_arguments, **_names): os.kill(os.getpid(), signal.SIGKILL)
os.link = Path.rename = end
{0}(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_kill_leaves_nothing_of_that_name_and_the_next_run_clears_what_it_left(
    index: Path, taken: Path, tmp_path: Path
) -> None:
    for work, source, made in (("snapshot", index, tmp_path / "made.tar"), ("restore", taken, tmp_path / "made")):
        ran = subprocess.run([sys.executable, "-c", KILLED.format(work), str(source), str(made)], capture_output=True)
        assert ran.returncode == -signal.SIGKILL, ran.stderr
        assert not made.exists()
    snapshot(index, tmp_path / "made.tar")
    restore(tmp_path / "made.tar", tmp_path / "made")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert problems(tmp_path / "made") == []


def damage_of(index: Path) -> None:
    path = next(index.glob("shards/*/norms.npy"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda index, path: snapshot(index / "none", path), "no attridex index there"),
        (lambda index, path: snapshot(index, path, "9"), "no version '9'; there are 1, 2, 3"),
        (lambda index, _path: snapshot(index, index / "inside.tar"), "inside of the index"),
        (lambda index, path: (path.touch(), snapshot(index, path)), "is there already, and is not written over"),
        (lambda index, path: (damage_of(index), snapshot(index, path)), "norms.npy: damaged .*attridex repair"),
        (lambda index, path: (snapshot(index, path), restore(path, index)), "is there already, and is not written over"),
        (lambda index, path: restore(path, index.with_name("new")), "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line_and_leaves_nothing(
    index: Path, tmp_path: Path, act: Callable[[Path, Path], Any], said: str
) -> None:
    with pytest.raises(AttridexError, match=said) as refused:
        act(index, tmp_path / "file.tar")
    assert "\n" not in str(refused.value)
    assert {path.name for path in tmp_path.iterdir()} <= {"old", "file.tar"}


@pytest.fixture
def little_room() -> Iterator[None]:
    """As on a full disk: no file grows beyond 20,000 bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_told_and_nothing_is_left(index: Path, taken: Path, tmp_path: Path, little_room: None) -> None:
    for work, source in ((snapshot, index), (restore, taken)):
        with pytest.raises(AttridexError, match="new: cannot be written: File too large"):
            work(source, tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old", "taken.tar"]


def test_a_snapshot_is_made_where_there_are_no_links(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_arguments: object) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    snapshot(index, tmp_path / "file.tar")
    restore(tmp_path / "file.tar", tmp_path / "restored")
    with pytest.raises(InputError, match="is there already"):
        take_name(tmp_path / "restored" / "plan.json", tmp_path / "file.tar")


def test_a_path_that_is_taken_meanwhile_stays_as_it_is(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pack(*arguments: Any) -> None:
        real(*arguments)
        (tmp_path / "file.tar").write_text("another's")

    real = snapshots.pack
    monkeypatch.setattr(snapshots, "pack", pack)
    with pytest.raises(InputError, match="is there already"):
        snapshot(index, tmp_path / "file.tar")
    assert (tmp_path / "file.tar").read_text() == "another's"


def test_names_of_all_files_of_an_index_are_known(index: Path) -> None:
    names = contents(index)
    assert all(map(is_member, names))
    assert is_member("batches/2.json")
    assert is_member("source/model/model.safetensors")


def test_the_commands_say_what_they_made(index: Path, tmp_path: Path, attridex: Any) -> None:
    activate(index, "2")
    ran = attridex("snapshot", index, tmp_path / "file.tar", "--all-versions")
    assert ran.code == 0
    assert "version 2 (also 1, 3)" in ran.err
    ran = attridex("restore", tmp_path / "file.tar", tmp_path / "restored", "--json")
    assert (ran.code, json.loads(ran.out)["versions"]) == (0, ["1", "2", "3"])
    assert attridex("restore", tmp_path / "file.tar", tmp_path / "restored").code == 2
