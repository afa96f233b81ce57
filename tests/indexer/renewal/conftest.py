"""A built index with deletes, and damage to any file of it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from attridex.indexer.config import load_config
from attridex.indexer.index.layout import LOCK
from attridex.indexer.index.verify import verify
from attridex.indexer.lifecycle.deleting import delete_ids
from attridex.indexer.renewal.building import build

SECTIONS: dict[str, Any] = {"gradients": {"curvature": ["fisher"]}, "neurons": {"steps": 3}}
"""Of the configuration of the index that `built` makes."""
GONE = {1, 7}
"""Rows that are deleted in the index that `built` makes."""


@pytest.fixture
def built(project: Callable[..., Path], tmp_path: Path) -> Path:
    """An index of 12 instances in three shards, of which two are deleted."""
    build(load_config(project(count=12, **SECTIONS)), tmp_path / "index", show_progress=False)
    delete_ids(tmp_path / "index", [f"t{row}" for row in GONE])
    return tmp_path / "index"


def flip(path: Path) -> None:
    """One bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    write(path, bytes(content))


def truncate(path: Path) -> None:
    """The first half."""
    write(path, path.read_bytes()[: path.stat().st_size // 2])


def lose(path: Path) -> None:
    """Nothing left."""
    path.unlink()


def write(path: Path, content: bytes) -> None:
    """Not through a link that another version shares."""
    path.unlink()
    path.write_bytes(content)


DAMAGE: dict[str, Callable[[Path], Any]] = {"flip": flip, "truncate": truncate, "lose": lose}


def files_of(index: Path) -> list[Path]:
    """Every file of an index but its lock."""
    return sorted(path for path in index.rglob("*") if path.is_file() and path.name != LOCK)


def copies(index: Path, target: Path) -> Iterator[Path]:
    """Fresh copies, one after the other, in one place."""
    while True:
        shutil.rmtree(target, ignore_errors=True)
        yield Path(shutil.copytree(index, target))


def problems(index: Path) -> list[str]:
    """What is not what was written."""
    return [str(found.problem) for found in verify(index) if found.problem]
