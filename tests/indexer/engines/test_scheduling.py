"""Each task is done once, whoever is lost on the way; what nobody can do is said in a line."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from attridex.indexer.engines.processes import ProcessPool
from attridex.indexer.engines.scheduling import Schedule
from attridex.indexer.errors import AttridexError, InputError
from tests.indexer.engines.jobs import Marks

ALL = ["one", "killed two", "three", "silent four", "slow five", "six"]


def run(tasks: Iterable[str], job: Marks, stall: float = 60) -> tuple[list[str], int, list[str]]:
    """Tasks that are done, units that were told of, and who was lost."""
    done, units, lost = list[str](), list[int](), list[str]()
    with closing(ProcessPool(job, 2)) as pool:
        schedule = Schedule(pool, iter(tasks), lambda task, _worker: done.append(task), lost.append, stall)
        schedule.begin()
        assert not done
        schedule.run(units.append)
    return done, sum(units), lost


def test_each_is_done_once_whoever_is_lost_which_is_said(tmp_path: Path) -> None:
    done, units, lost = run(ALL, Marks(tmp_path), stall=3)
    assert sorted(done) == sorted(ALL)
    assert units == 2 * len(ALL)
    said = [re.sub(r"process \d+", "process", line) for line in lost]
    assert sorted(said) == [
        "process was lost over killed two: it was ended by SIGKILL (which is what a machine does that is short of memory); "
        "it is begun anew",
        "process was lost over silent four: silent for 3 s; it is begun anew",
    ]
    assert [(tmp_path / task).read_text() for task in ALL] == ["done"] * len(ALL)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("killer", r"killer: 3 workers were lost over it, the last process \d+: it was ended by SIGKILL"),
        ("wrong", "a worker failed: ZeroDivisionError: division by zero"),
    ],
)
def test_what_nobody_can_do_is_said(task: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(AttridexError, match=words):
        run([task], Marks(tmp_path))


def test_what_a_user_can_mend_is_said_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^not finite$"):
        run(["one", "refused"], Marks(tmp_path))
    with pytest.raises(InputError, match=r"^no such model$"):
        run(["one"], Marks(tmp_path, "refused"))


def test_workers_that_never_are_ready_are_no_endless_loop(tmp_path: Path) -> None:
    with pytest.raises(AttridexError, match="3 workers were lost before they were ready, the last process"):
        run(["one"], Marks(tmp_path, "killed"))


def test_a_corpus_that_cannot_be_read_further_ends_the_workers(tmp_path: Path) -> None:
    def tasks() -> Iterator[str]:
        yield "one"
        raise InputError("line 2: not JSON")

    with pytest.raises(InputError, match="line 2"):
        run(tasks(), Marks(tmp_path))


DRIVER = """
import sys
from pathlib import Path
from attridex.indexer.engines.processes import ProcessPool
from attridex.indexer.engines.scheduling import Schedule
from tests.indexer.engines.jobs import Marks

class Loud(ProcessPool):
    def start(self):
        worker = super().start()
        print(worker.name.split()[1], flush=True)
        return worker

schedule = Schedule(Loud(Marks(Path(sys.argv[1])), 2), iter(["silent one", "silent two", "three"]), print, print, 60)
schedule.begin()
schedule.run(lambda count: None)
"""


def test_workers_end_with_who_started_them(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", DRIVER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout
        workers = [int(driver.stdout.readline()) for _ in range(2)]
        until(lambda: len(list(tmp_path.glob("* tried"))) == 2)
        driver.kill()
    for worker in workers:
        until(lambda worker=worker: not alive(worker))


def until(true: Callable[[], bool]) -> None:
    """Wait until something is so, a minute at most."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def alive(process: int) -> bool:
    """Whether a process is there and is not waited for."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
