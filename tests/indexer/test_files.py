"""Writes are whole or not there, whenever the process ends."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from attridex.indexer.errors import AttridexError
from attridex.indexer.files import clear_leftovers, file_hash, json_bytes, publish, replace_file, sync_path, write_synced

CALLS = ("fsync", "replace")


class Killed(BaseException):
    """As if the process ended here."""


def killed_at_each_write(monkeypatch: pytest.MonkeyPatch) -> Iterator[AbstractContextManager[None]]:
    """Contexts that end the work in them at its first call that reaches the disk, then at its second, until it comes through."""
    stop, seen, killed = 0, 0, True

    @contextlib.contextmanager
    def until() -> Iterator[None]:
        nonlocal seen, killed
        seen, killed = 0, False
        with monkeypatch.context() as patched, contextlib.suppress(Killed):
            for name in CALLS:
                patched.setattr(os, name, counting(getattr(os, name)))
            yield

    def counting(call: Any) -> Any:
        def counted(*arguments: Any) -> Any:
            nonlocal seen, killed
            if seen == stop:
                killed = True
                raise Killed
            seen += 1
            return call(*arguments)

        return counted

    while killed:
        yield until()
        stop += 1


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, found = tmp_path / "file", []
    for attempt in killed_at_each_write(monkeypatch):
        path.write_bytes(b"old")
        with attempt:
            replace_file(path, b"new content")
        found.append(path.read_bytes())
    assert found == [b"old", b"old", b"new content", b"new content"]  # before fsync, before the swap, before the folder's fsync
    clear_leftovers(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_directory_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for attempt in killed_at_each_write(monkeypatch):
        directory = tmp_path / "made"
        with attempt, publish(directory) as temporary:
            write_synced(temporary / "a", b"1")
            (temporary / "inner").mkdir()
            (temporary / "inner" / "b").write_bytes(b"2")
        assert not directory.exists() or (directory / "inner" / "b").read_bytes() == b"2"
        assert directory.exists() or [*tmp_path.iterdir()] == []
    assert file_hash(directory / "a") == hashlib.sha256(b"1").hexdigest()


def test_everything_in_a_published_directory_is_pushed_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pushed = []
    monkeypatch.setattr("attridex.indexer.files.sync_path", lambda path: pushed.append(path.name))
    with publish(tmp_path / "made") as temporary:
        (temporary / "inner").mkdir()
        (temporary / "inner" / "b").touch()
        (temporary / "a").touch()
    assert sorted(pushed[:3]) == ["a", "b", "inner"]
    assert pushed[-1] == tmp_path.name
    monkeypatch.undo()
    sync_path(tmp_path / "made" / "a")


def test_a_directory_that_fails_leaves_nothing_and_names_the_place(tmp_path: Path) -> None:
    with pytest.raises(AttridexError, match="made: cannot be written: full"), publish(tmp_path / "made"):
        raise OSError(28, "full")
    with pytest.raises(ZeroDivisionError), publish(tmp_path / "made"):
        raise ZeroDivisionError
    assert [*tmp_path.iterdir()] == []


def test_only_what_is_half_written_is_cleared(tmp_path: Path) -> None:
    kept = [tmp_path / "file.tmp", tmp_path / ".lock", tmp_path / "a" / "b.tmp"]
    gone = [tmp_path / ".x.12.tmp", tmp_path / "a" / ".y.3.tmp"]
    (tmp_path / "a" / ".z.4.tmp" / "inner").mkdir(parents=True)
    for path in (*kept, *gone):
        path.touch()
    clear_leftovers(tmp_path)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)


def test_equal_content_is_equal_bytes() -> None:
    assert json_bytes({"b": 1, "a": {"d": "ä", "c": 2.0}}) == json_bytes({"a": {"c": 2.0, "d": "ä"}, "b": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_bytes({"a": float("nan")})
