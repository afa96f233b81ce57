"""Processes that tests start."""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def running(command: Sequence[str]) -> Iterator["subprocess.Popen[str]"]:
    """A process of the block, which ends it: `Popen`'s own block would wait for the process where an assertion failed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def interruptible() -> None:
    """Before a process begins (`preexec_fn`): let SIGINT end it, which what a shell starts in the background ignores."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def children_of(process: int, named: str) -> list[int]:
    """Processes that another one started, and that have a word in their command lines."""
    found = Path(f"/proc/{process}/task").glob("*/children")
    children = [int(child) for path in found for child in path.read_text().split()]
    return [child for child in children if named in Path(f"/proc/{child}/cmdline").read_text()]
