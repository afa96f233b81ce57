"""An index is the same to the byte whoever builds its shards, and whoever is killed over them."""

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Ran
from tests.indexer.building.contents import content
from tests.processes import children_of

SETTINGS: dict[str, Any] = {
    "gradients": {"curvature": ["fisher", "kfac"]},
    "neurons": {"rule": "gradient"},
    "index": {"shard_rows": 3},
    "engine": {"threads": 1},
}


@pytest.fixture
def alone(project: Callable[..., Path], attridex: Callable[..., Ran], tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A configuration, and what an index of it holds that one process built."""
    config = project(count=30, **SETTINGS)
    assert attridex("build", config, "--out", tmp_path / "alone").code == 0
    return config, content(tmp_path / "alone")


def test_processes_build_what_one_does_though_one_is_killed(
    alone: tuple[Path, dict[str, Any]], attridex: Callable[..., Ran], tmp_path: Path
) -> None:
    config, expected = alone
    with killed_at_the_first_shard(tmp_path / "index") as killed:
        ran = attridex("build", config, "--out", tmp_path / "index", "--workers", 2)
    assert (ran.code, len(killed)) == (0, 1), ran.err
    assert re.search(rf"^process {killed[0]} was lost over shard \d+-\d+: it was ended by SIGKILL", ran.err, re.M), ran.err
    assert content(tmp_path / "index") == expected


@contextmanager
def killed_at_the_first_shard(index: Path) -> Iterator[list[int]]:
    """Kill the worker of this process that writes a shard first."""
    killed: list[int] = []

    def kill() -> None:
        while not over.wait(0.002):
            writing = {int(path.name.split(".")[-2]) for path in index.glob("shards/.*.tmp")}  # the other one may be loading yet
            if at_work := writing.intersection(children_of(os.getpid(), "process_worker")):
                killed.append(at_work.pop())
                os.kill(killed[0], signal.SIGKILL)
                return

    over, thread = threading.Event(), threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()
