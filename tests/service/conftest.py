"""An index of a tiny model, served over a real socket and in this process."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from attridex.client import Client


@pytest.fixture
def index(project: Callable[..., Path], attridex: Any, tmp_path: Path) -> Path:
    """A built index of 30 instances in several shards."""
    config = project(count=30, gradients={"curvature": ["hessian", "fisher"]})
    assert attridex("build", config, "--out", tmp_path / "index").code == 0
    return tmp_path / "index"


@pytest.fixture
def server(index: Path) -> Iterator[Any]:
    """A server of the index on a free loopback port."""
    from attridex.service.edge.options import ServerOptions
    from attridex.service.edge.server import Server, open_index

    running = Server({"index": open_index(index, "index")}, ServerOptions("127.0.0.1:0", insecure_admin=True))
    running.start()
    yield running
    running.stop(0)


@pytest.fixture
def remote(server: Any) -> Iterator[Client]:
    """A client of the server."""
    with Client(f"127.0.0.1:{server.port}") as client:
        yield client


@pytest.fixture
def local(index: Path) -> Iterator[Client]:
    """The same index in this process."""
    with Client.local(index) as client:
        yield client
