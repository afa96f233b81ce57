"""An index of a tiny model, served over a real socket and in this process."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from attridex.client import Client


@pytest.fixture(scope="session")
def shared(indexed: Callable[..., Path]) -> Path:
    """A directory with an index of 30 instances in several shards, its configuration and corpus; not to be changed."""
    return indexed(count=30, gradients={"curvature": ["hessian", "fisher"]})


@pytest.fixture
def index(shared: Path, tmp_path: Path) -> Path:
    """A copy of the index, beside its configuration and corpus."""
    return Path(shutil.copytree(shared, tmp_path, dirs_exist_ok=True)) / "index"


@contextmanager
def serving(index: Path) -> Iterator[Any]:
    """A server of an index on a free loopback port."""
    from attridex.service.edge.options import ServerOptions
    from attridex.service.edge.server import Server, open_index

    running = Server({"index": open_index(index, "index")}, ServerOptions("127.0.0.1:0", insecure_admin=True))
    running.start()
    yield running
    running.stop(0)


@pytest.fixture(scope="module")
def served_at() -> Iterator[Callable[[Path], str]]:
    """The address of a server of a shared index, which loads its model once for all commands of a file."""
    with ExitStack() as stack:
        yield cache(lambda index: f"127.0.0.1:{stack.enter_context(serving(index)).port}")


@pytest.fixture
def own_server(index: Path) -> Iterator[Any]:
    """A server of the copy."""
    with serving(index) as running:
        yield running


@pytest.fixture(scope="module")
def server(shared: Path) -> Iterator[Any]:
    """A server of the shared index, for tests that change nothing."""
    with serving(shared / "index") as running:
        yield running


@pytest.fixture(scope="module")
def remote(server: Any) -> Iterator[Client]:
    """A client of that server."""
    with Client(f"127.0.0.1:{server.port}") as client:
        yield client


@pytest.fixture(scope="module")
def local(shared: Path) -> Iterator[Client]:
    """The shared index in this process."""
    with Client.local(shared / "index") as client:
        yield client
