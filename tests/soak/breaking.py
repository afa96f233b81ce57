"""How an index is broken: a process is killed between two writes, or a file is damaged."""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

from attridex.indexer.index.layout import LOCK

WRITES = ("replace", "rename", "link", "unlink", "rmdir", "mkdir", "fsync")
"""Calls of the system before each of which a process may be killed."""


class Killed(BaseException):
    """The process is gone; nothing that it still tries happens."""


@contextmanager
def killed_at(number: int) -> Iterator[None]:
    """Kill what runs at its so many-th write; its own cleaning up does not happen either."""
    left = [number]

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return real(*given, **named)

        return call

    patches = [patch.object(os, name, counted(getattr(os, name))) for name in WRITES]
    for each in patches:
        each.start()
    try:
        with suppress(Killed):
            yield
    finally:
        for each in patches:
            each.stop()


def files_of(index: Path) -> list[Path]:
    """Every file but the lock."""
    return sorted(path for path in index.rglob("*") if path.is_file() and path.name != LOCK)


def flip(path: Path, chance: random.Random) -> None:
    """One bit anywhere, in place of the file."""
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    put(path, bytes(content))


def cut(path: Path, chance: random.Random) -> None:
    """Its first bytes."""
    put(path, path.read_bytes()[: chance.randrange(path.stat().st_size)])


def lose(path: Path, _chance: random.Random) -> None:
    """Nothing."""
    path.unlink()


def fill(path: Path, chance: random.Random) -> None:
    """As many other bytes."""
    put(path, chance.randbytes(path.stat().st_size))


def double(path: Path, _chance: random.Random) -> None:
    """Everything twice."""
    put(path, path.read_bytes() * 2)


def folder(path: Path, _chance: random.Random) -> None:
    """A directory with a file in it."""
    path.unlink()
    path.mkdir()
    (path / "file").write_bytes(b"x")


def other(path: Path, chance: random.Random) -> None:
    """The content of another file of the index."""
    index = next(parent for parent in path.parents if (parent / "shards").is_dir())
    contents = sorted({each.read_bytes() for each in files_of(index)} - {path.read_bytes()})
    put(path, chance.choice(contents))


def put(path: Path, content: bytes) -> None:
    """Not through a link that another version shares."""
    path.unlink()
    path.write_bytes(content)


DAMAGE: dict[str, Callable[[Path, random.Random], None]] = {
    "flip": flip, "cut": cut, "lose": lose, "fill": fill, "double": double, "folder": folder, "other": other,
}  # fmt: skip
