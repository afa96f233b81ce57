"""A file is there whole, or as it was."""

import os
from pathlib import Path

import pytest

from attridex.client.files import write_whole
from attridex.indexer.errors import AttridexError


def test_content_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    for content in (b"first", b"second"):
        write_whole(path, content)
        assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_before_the_end_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError("no space left")

    write_whole(tmp_path / "file", b"first")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AttridexError, match=r"file: cannot be written: .*no space"):
        write_whole(tmp_path / "file", b"second")
    assert (tmp_path / "file").read_bytes() == b"first"
