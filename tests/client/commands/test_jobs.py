"""Batch jobs as processes: killed at any moment, twice at once, on a full disk, beside a server that goes away."""

import json
import random
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import records, write_jsonl
from tests.processes import interruptible, running

COMMAND = [sys.executable, "-c", "from attridex.client.commands.app import main; main()"]
COUNT = 1600
ENDS = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, 128 + signal.SIGTERM, 128 + signal.SIGINT)  # negative: as it begins
WAIT = 60  # seconds after which a test that hangs fails


@dataclass(frozen=True)
class Place:
    """A running server, and queries for it."""

    server: "subprocess.Popen[str]"
    address: str
    queries: Path

    def command(self, out: Path, *options: str) -> list[str]:
        """A batch job."""
        given = ["--server", self.address, "--queries", str(self.queries), "--fields", "none", "--out", str(out)]
        return [*COMMAND, "query", "ia", "--k", "3", *given, *options]

    def start(self, out: Path) -> "subprocess.Popen[str]":
        """A job under way."""
        pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(self.command(out), **pipes, preexec_fn=interruptible)

    def run(self, out: Path, *options: str, file_size: int = resource.RLIM_INFINITY) -> "subprocess.CompletedProcess[str]":
        """A job to its end, on a disk that takes files of so many bytes."""

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, resource.RLIM_INFINITY))

        return subprocess.run(self.command(out, *options), capture_output=True, text=True, timeout=WAIT, preexec_fn=limit)


@contextmanager
def serving(indexed: Callable[..., Path], directory: Path) -> Iterator[Place]:
    """A server process over a tiny index."""
    index = indexed(neurons={"enabled": False}) / "index"
    rows = [{**row, "id": f"q{number}"} for number, row in enumerate(records(COUNT))]
    with running([*COMMAND, "serve", str(index), "--listen", "127.0.0.1:0"]) as server:
        assert server.stderr is not None
        address = next(line for line in server.stderr if line.startswith("listening on ")).split()[-1]
        yield Place(server, address, write_jsonl(directory / "many.jsonl", rows))


@pytest.fixture(scope="module")
def place(indexed: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server that stays, for all jobs."""
    with serving(indexed, tmp_path_factory.mktemp("place")) as made:
        yield made


def wait_for(out: Path, size: int, job: "subprocess.Popen[str]") -> None:
    """Until a file has so many bytes, or its job has ended."""
    until = time.monotonic() + WAIT
    while job.poll() is None and (not out.exists() or out.stat().st_size < size) and time.monotonic() < until:
        time.sleep(0.001)


def test_a_job_stopped_at_random_moments_ends_byte_for_byte_as_a_whole_one(place: Place, tmp_path: Path) -> None:
    whole, out, drawn = tmp_path / "whole.jsonl", tmp_path / "out.jsonl", random.Random(0)
    assert place.run(whole).returncode == 0  # the server now remembers each text, so that its digits stay the same
    size, stopped = whole.stat().st_size, 0
    for _ in range(8):
        job = place.start(out)
        wait_for(out, drawn.randrange(size), job)
        job.send_signal(drawn.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
        job.communicate(timeout=WAIT)
        stopped += job.returncode in ENDS
        assert whole.read_bytes().startswith(out.read_bytes() if out.exists() else b"")
    assert stopped
    ran = place.run(out)
    assert (ran.returncode, out.read_bytes() == whole.read_bytes()) == (0, True), ran.stderr
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.jsonl", "out.jsonl.job"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_job_says_how_it_goes_on(place: Place, tmp_path: Path, how: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the job is under way once it is connected, and stays so
        silent.settimeout(WAIT)
        job = replace(place, address=f"127.0.0.1:{silent.getsockname()[1]}").start(tmp_path / "out.jsonl")
        connection, _ = silent.accept()
        with connection:
            job.send_signal(how)
            _, err = job.communicate(timeout=WAIT)
    assert (job.returncode, err) == (128 + how, "stopped; run the same command again to go on\n")


def test_a_full_disk_is_told_in_a_line_and_the_job_goes_on_once_there_is_room(place: Place, tmp_path: Path) -> None:
    whole, out, empty = tmp_path / "whole.jsonl", tmp_path / "out.jsonl", tmp_path / "empty.jsonl"
    assert place.run(whole).returncode == 0
    ran = place.run(out, file_size=whole.stat().st_size // 2 + 13)
    last = ran.stderr.splitlines()[-1]
    assert (ran.returncode, last) == (1, f"error: {out}: cannot be written: File too large; run the same command again to go on")
    assert out.stat().st_size == whole.stat().st_size // 2 + 13
    ran = place.run(out)
    assert ran.returncode == 0
    assert re.search(r"goes on behind line \d+; \d+ bytes behind it are of a request without all of its lines", ran.stderr)
    assert out.read_bytes() == whole.read_bytes()
    ran = place.run(empty, file_size=0)
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1] == f"error: {empty}.job: cannot be written: File too large"
    assert place.run(empty).returncode == 0


def test_of_two_jobs_on_one_file_the_second_says_who_has_it_and_the_first_ends_well(place: Place, tmp_path: Path) -> None:
    out, rows = tmp_path / "out.jsonl", [json.loads(line) for line in place.queries.read_text().splitlines()]
    new = write_jsonl(tmp_path / "new.jsonl", [{**row, "premise": f"{row['premise']} today"} for row in rows])
    place = replace(place, queries=new)  # texts that the server does not remember, so that the job takes its time
    first = place.start(out)
    wait_for(out, 1, first)
    first.send_signal(signal.SIGSTOP)
    second = place.run(out)
    first.send_signal(signal.SIGCONT)
    assert second.returncode == 1
    found = re.fullmatch(r"error: (.*): another process \((\d+)\) is writing its answers; wait for it .*", second.stderr.strip())
    assert found, second.stderr
    assert found.groups() == (str(out), str(first.pid))
    first.communicate(timeout=WAIT)
    assert first.returncode == 0
    assert [json.loads(line)["query"] for line in out.read_text().splitlines()] == [f"q{number}" for number in range(COUNT)]


def test_a_server_that_is_killed_ends_the_job_in_a_line_and_what_is_written_is_whole(
    indexed: Callable[..., Path], tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    with serving(indexed, tmp_path) as place:
        job = place.start(out)
        wait_for(out, 1, job)
        place.server.kill()
        _, errors = job.communicate(timeout=WAIT)
    assert job.returncode == 1, errors
    assert errors.splitlines()[-1].startswith(f"error: no attridex server answers at {place.address}")
    assert all(json.loads(line) for line in out.read_text().splitlines())


def test_a_changed_setting_is_named_by_a_job_that_would_go_on(place: Place, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    assert place.run(out).returncode == 0
    ran = place.run(out, "--where", "genre = 'phone'")
    assert (ran.returncode, len(ran.stderr.splitlines())) == (2, 1)
    assert "begun with where not given, now genre = 'phone' (see " in ran.stderr
    longer = tmp_path / "longer.jsonl"
    longer.write_text(place.queries.read_text() + json.dumps({**records(1)[0], "id": "more"}) + "\n")
    place = replace(place, queries=longer)
    assert re.search(r"begun with queries \w{12}\.\.\., now \w{12}\.\.\. ", place.run(out).stderr)
