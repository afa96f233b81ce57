"""Real servers on one index: they follow it by themselves, and say so when its files change underneath."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from attridex.client import Client, Query
from attridex.client.errors import DataLossError
from attridex.indexer.index.layout import CSC_WEIGHTS
from attridex.indexer.lifecycle.deleting import delete_ids, delete_rows
from attridex.indexer.lifecycle.migration import migrate
from attridex.v1.requests import FindInstancesByNeuronsRequest, Request
from tests.processes import running
from tests.test_old_index import FIXTURES, NAME

COMMAND = [sys.executable, "-c", "from attridex.client.commands.app import main; main()"]
SERVICE = "attridex.v1.AttributionService"
ASKED = [Query.instance("t7", id="q")]


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Start a server process; gives its address."""
    with ExitStack() as stack:
        started: list[subprocess.Popen[str]] = []

        def start(index: Path, *options: str) -> str:
            command = [*COMMAND, "serve", f"mine={index}", "--listen", "127.0.0.1:0", "--no-model", *options]
            process = stack.enter_context(running(command))
            started.append(process)
            assert process.stderr is not None
            return process.stderr.readline().removeprefix("listening on ").strip()

        yield start
        for process in started:
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=30)
            assert (process.returncode, "Traceback" in said) == (0, False)


def until(true: Callable[[], bool]) -> None:
    """Wait for what must come."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def healthy(client: Client, service: str) -> bool:
    stub: Any = health_pb2_grpc.HealthStub(client._channel)
    return bool(stub.Check(health_pb2.HealthCheckRequest(service=service)).status == health_pb2.HealthCheckResponse.SERVING)


def test_several_servers_follow_one_index(tmp_path: Path, serve: Callable[..., str]) -> None:
    index = Path(shutil.copytree(FIXTURES / NAME, tmp_path / NAME))
    migrate(index)
    with Client(serve(index, "--watch", "0.1")) as one, Client(serve(index, "--watch", "0.1")) as other:
        assert [client.get_index().watch_seconds for client in (one, other)] == [0.1, 0.1]
        page = one.list_page(page_size=5)
        delete_rows(index, [0])
        for client in (one, other):
            until(lambda client=client: client.get_index().version == "3+2")  # type: ignore[misc]
        following = other.list_page(page_size=5, page_token=page.next_page_token)
        assert (following.index_version, following.total) == (page.index_version, page.total)


def test_a_stream_stays_on_the_version_that_it_began_with(tmp_path: Path, serve: Callable[..., str]) -> None:
    index = Path(shutil.copytree(FIXTURES / NAME, tmp_path / NAME))
    migrate(index)
    request, answered = FindInstancesByNeuronsRequest(tuple(ASKED), k=5), threading.Event()

    def requests() -> Iterator[tuple[int, Request]]:
        yield 1, request
        assert answered.wait(60)
        yield 2, request

    with Client(serve(index, "--watch", "0.1")) as client:
        answers = client.stream(requests())
        _, first = next(answers)
        hits = first.results[0].hits  # type: ignore[union-attr]
        delete_ids(index, [hits[0].id])
        until(lambda: client.get_index().version != first.info.index_version)  # type: ignore[union-attr]
        answered.set()
        ((_, second),) = answers
        assert (second.info.index_version, second.results[0].hits) == (first.info.index_version, hits)  # type: ignore[union-attr]
        later = client.send(request)
        assert hits[0].id not in [hit.id for hit in later.results[0].hits]


@pytest.mark.parametrize("how", ["written over", "truncated", "replaced", "removed"])
def test_what_changes_underneath_is_data_loss_and_not_serving(tmp_path: Path, serve: Callable[..., str], how: str) -> None:
    index = Path(shutil.copytree(FIXTURES / NAME, tmp_path / NAME))
    with Client(serve(index, "--watch", "0.1")) as client:
        right = client.find_instances_by_neurons(ASKED, k=5).results
        assert healthy(client, "")
        path = index / "versions" / "2" / CSC_WEIGHTS
        if how == "written over":
            with path.open("r+b") as stream:
                stream.write(bytes(path.stat().st_size))
        elif how == "truncated":
            os.truncate(path, 200)
        elif how == "replaced":
            (index / "zeros").write_bytes(bytes(path.stat().st_size))
            (index / "zeros").replace(path)
        else:
            path.unlink()

        def refused() -> bool:
            try:
                return client.find_instances_by_neurons(ASKED, k=5).results != right
            except DataLossError:
                return True

        until(refused)
        with pytest.raises(DataLossError, match=CSC_WEIGHTS):
            client.find_instances_by_neurons(ASKED, k=5)
        until(lambda: not healthy(client, ""))
        assert not healthy(client, f"{SERVICE}/mine")
        assert CSC_WEIGHTS in client.get_index().problem


def test_a_damaged_new_version_leaves_the_old_one_served(tmp_path: Path, serve: Callable[..., str]) -> None:
    index = Path(shutil.copytree(FIXTURES / NAME, tmp_path / NAME))
    with Client(serve(index, "--watch", "0.1")) as client:
        (index / "CURRENT").write_text("7 nothing\n")
        until(lambda: bool(client.get_index().problem))
        assert client.find_instances_by_neurons(ASKED, k=5).info.index_version == "2"
        assert healthy(client, f"{SERVICE}/mine")
        assert not healthy(client, f"{SERVICE}/mine/current")
