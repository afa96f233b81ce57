"""A disk that is full, or read only, at each write: one line, and the index stays what it was.

Files may only grow to a limit (RLIMIT_FSIZE), which goes through the sizes of all files that a work writes; as root there is also
a file system of its own (tmpfs), which is full a bit later each time.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import typer

from attridex.indexer.errors import AttridexError
from attridex.indexer.index.verify import verify
from tests.soak.kills import (
    Counts,
    Kind,
    Rows,
    broken,
    building,
    check,
    compacting,
    deleting,
    emptied,
    everything,
    made,
    preloaded,
    repairing,
)

WORKS: Mapping[str, Kind] = {
    "builder": Kind(building, emptied),
    "deleter": Kind(deleting, deletes=True),
    "compactor": Kind(compacting),
    "repairer": Kind(repairing, broken),
}
PLACES = (".", "shards", "versions")
"""Directories of an index that are read only, one at a time; where there is none yet, the one that it comes into."""
NOBODY, STEPS, SIZE = 65534, 24, 64 << 20
"""Whom modes of files bind where root works; how often a file system is filled, and its bytes."""


@dataclass
class Ended:
    """How attempts ended.

    Attributes:
        refused: in one line.
        done: with what was asked, for which the room was enough.
        faults: neither; what was raised.
        harmed: the index was no longer what it was, or could not be finished.
    """

    refused: int = 0
    done: int = 0
    faults: list[str] = field(default_factory=list)
    harmed: list[str] = field(default_factory=list)

    @property
    def bad(self) -> list[str]:
        """Whatever must not be."""
        return self.faults + self.harmed


def attempt(work: Callable[[Path], None], index: Path, limit: int, nobody: bool, told: Connection) -> None:
    """Work in a process of its own, and say how it ended.

    Args:
        work: what it does.
        index: with which.
        limit: bytes to which files may grow; 0 for any.
        nobody: whether it works as somebody whom modes bind.
        told: hears how it ended.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    if nobody and os.geteuid() == 0:
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    try:
        work(index)
        told.send("done")
    except AttridexError as error:
        told.send(f"refused {error}")
    except BaseException as error:
        told.send(f"{type(error).__module__}.{type(error).__name__}: {error}")


def attempted(work: Callable[[Path], None], index: Path, limit: int = 0, *, nobody: bool = False) -> str:
    """How an attempt ended; see `attempt`."""
    context = get_context("forkserver")
    hears, told = context.Pipe(duplex=False)
    process = context.Process(target=attempt, args=(work, index, limit, nobody, told))
    process.start()
    told.close()
    try:
        ended = str(hears.recv())
    except EOFError:
        ended = "ended without a word"
    process.join()
    return ended


def judge(name: str, where: str, ended: str, index: Path, expected: Rows, found: Ended) -> None:
    """Look at the index after an attempt, with room again.

    Args:
        name: of the work.
        where: what kept it from writing.
        ended: how it ended.
        index: that it worked on.
        expected: what is stored of every instance.
        found: hears what came of it.
    """
    kind, counts = WORKS[name], Counts()
    found.refused += ended.startswith("refused")
    found.done += ended == "done"
    if ended != "done" and (not ended.startswith("refused") or "\n" in ended):
        found.faults.append(f"{name}, {where}: {ended[:300]}")
    if kind.begin not in (emptied, broken):
        found.harmed += [f"{name}, {where}: {each.problem}" for each in verify(index) if each.problem][:1]
    check(index, kind, expected, {}, counts)
    if counts.bad:
        found.harmed.append(f"{name}, {where}: {counts}")


def copied(base: Path, place: Path, kind: Kind) -> Path:
    """A copy of the index, as a work begins with it."""
    shutil.rmtree(place / "copy", ignore_errors=True)
    index = Path(shutil.copytree(base.parent, place / "copy")) / base.name
    kind.begin(index)
    return index


def limits(base: Path, name: str) -> list[int]:
    """Bytes that each of the files that a work writes does not fit in, and smaller ones fit in."""
    with tempfile.TemporaryDirectory(prefix="disks-") as place:
        index = copied(base, Path(place), WORKS[name])
        before = {path: path.stat().st_mtime_ns for path in index.rglob("*")}
        WORKS[name].work(index)
        written = [path for path in index.rglob("*") if path.is_file() and before.get(path) != path.stat().st_mtime_ns]
        return sorted({path.stat().st_size - 1 for path in written if path.stat().st_size > 1})


def limited(base: Path, name: str, sizes: Sequence[int], expected: Rows, found: Ended) -> None:
    """Try where files may only grow to each of some sizes.

    Args:
        base: an index that `made` made.
        name: of the work.
        sizes: bytes.
        expected: what is stored of every instance.
        found: hears what came of it.
    """
    with tempfile.TemporaryDirectory(prefix="disks-") as place:
        for size in sizes:
            index = copied(base, Path(place), WORKS[name])
            judge(name, f"files of {size} bytes", attempted(WORKS[name].work, index, size), index, expected, found)


def read_only(base: Path, name: str, expected: Rows, found: Ended) -> None:
    """Try where a directory of the index cannot be written.

    Args:
        base: an index that `made` made.
        name: of the work.
        expected: what is stored of every instance.
        found: hears what came of it.
    """
    with tempfile.TemporaryDirectory(prefix="disks-") as place:
        Path(place).chmod(0o755)
        for part in PLACES:
            index = copied(base, Path(place), WORKS[name])
            closed = index / part if index.exists() else index.parent
            if not closed.exists():
                continue
            for path in (index.parent, *index.parent.rglob("*")) if os.geteuid() == 0 else ():
                os.chown(path, NOBODY, NOBODY)
            closed.chmod(0o555)
            ended = attempted(WORKS[name].work, index, nobody=True)
            closed.chmod(0o755)
            judge(name, f"{part} read only", ended, index, expected, found)


@contextmanager
def file_system(place: Path) -> Iterator[bool]:
    """A file system of its own at a place, if this process may make one."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)]
    mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(place)], check=True)  # a killed process may not be gone yet


def filled(base: Path, name: str, expected: Rows, found: Ended) -> None:
    """Try on a file system that is full after so many bytes, and after some more each time.

    Args:
        base: an index that `made` made.
        name: of the work.
        expected: what is stored of every instance.
        found: hears what came of it.
    """
    needed = sum(path.stat().st_size for path in base.rglob("*") if path.is_file())
    with tempfile.TemporaryDirectory(prefix="disks-") as directory, file_system(Path(directory)) as mounted:
        for step in range(STEPS) if mounted else ():
            index = copied(base, Path(directory), WORKS[name])
            left = 4096 * (1 + step) if step < STEPS // 2 else needed * (step - STEPS // 2 + 1) // (STEPS // 2)
            filler = Path(directory) / "filler"
            with filler.open("wb") as stream:
                os.posix_fallocate(stream.fileno(), 0, max(1, shutil.disk_usage(directory).free - left))
            ended = attempted(WORKS[name].work, index)
            filler.unlink()
            judge(name, f"{left} bytes left", ended, index, expected, found)


def run(out: Path, every: int = 1) -> None:
    """Try every work at every limit, in every read-only directory, and on a file system that fills; `every` nth limit."""
    preloaded()
    bad = 0
    with tempfile.TemporaryDirectory(prefix="disks-") as place:
        base = made(Path(place))
        expected = everything(base)
        for name in WORKS:
            kinds = {"limited files": Ended(), "full disk": Ended(), "read only": Ended()}
            limited(base, name, limits(base, name)[::every], expected, kinds["limited files"])
            filled(base, name, expected, kinds["full disk"])
            read_only(base, name, expected, kinds["read only"])
            found = json.loads(out.read_text()) if out.exists() else {}
            found[name] = {kind: vars(ended) for kind, ended in kinds.items()}
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(found, indent=1) + "\n")
            bad += sum(len(ended.bad) for ended in kinds.values())
            bad += not all(ended.refused for kind, ended in kinds.items() if kind != "full disk" or os.geteuid() == 0)
            typer.echo(f"{name}: {json.dumps(found[name])}")
    sys.exit(bool(bad))
