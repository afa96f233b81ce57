"""A stand-in for the core that blocks and fails on demand, behind the real servicer, over real sockets and in process."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import grpc
import pytest

from attridex.service.edge.inprocess import ServicerStub
from attridex.service.edge.options import ServerOptions
from attridex.service.edge.server import Server
from attridex.service.edge.servicer import AttributionServicer, Indexes
from attridex.v1 import attribution_pb2_grpc as rpc
from attridex.v1.answers import Info, InstanceHit, InstancesAnswer, InstancesResult


class StandIn:
    """Answers `AttributeInstances` by a function of the request and the checkpoint."""

    def __init__(self) -> None:
        """Give one hit a query."""
        self.behaviour: Callable[[Any, Any], Any] = lambda request, checkpoint: None
        self.closed = False
        self.name, self.store, self.source = "mine", self, None
        self.damaged = self.problem = ""
        self.places: dict[Path, str] = {}
        self.changed: Callable[[], None] = lambda: None

    def answer(self, request: Any, checkpoint: Any, client: str = "") -> InstancesAnswer:
        """One hit a query, after the behaviour."""
        self.behaviour(request, checkpoint)
        hit = InstanceHit(1, "t1", 1, 0.5)
        info = Info("mine", "1", request.scoring.method, "", "")
        return InstancesAnswer(info, tuple(InstancesResult(q.id, None, (hit,)) for q in request.queries))

    def answer_from(self, version: None, request: Any, caller: Any) -> InstancesAnswer:
        """The same: it has no versions."""
        return self.answer(request, caller.checkpoint)

    def version(self) -> Any:
        """Stands for its store's."""
        return nullcontext()

    def reading(self, version: None) -> Any:
        """Stands for its store's."""
        return nullcontext()

    def close(self, patience: float | None = None) -> bool:
        """Remember it."""
        self.closed = True
        return True


@pytest.fixture
def stand_in() -> StandIn:
    """The core."""
    return StandIn()


@pytest.fixture
def start(stand_in: StandIn) -> Iterator[Callable[..., Server]]:
    """Start a server of stand-ins; names give several."""
    servers: list[Server] = []

    def run(*names: str, **options: Any) -> Server:
        indexes: dict[str, Any] = dict.fromkeys(names or ("mine",), stand_in)
        servers.append(Server(indexes, ServerOptions(**{"listen": "127.0.0.1:0", **options})))
        servers[-1].start()
        return servers[-1]

    yield run
    for server in servers:
        server.stop(0)


@pytest.fixture
def connect(start: Callable[..., Server]) -> Iterator[Callable[..., Any]]:
    """A stub over a socket to a server of stand-ins."""
    channels: list[grpc.Channel] = []

    def run(*names: str, **options: Any) -> Any:
        channels.append(grpc.insecure_channel(f"127.0.0.1:{start(*names, **options).port}"))
        return rpc.AttributionServiceStub(channels[-1])

    yield run
    for channel in channels:
        channel.close()


@pytest.fixture(params=["remote", "in process"])
def stub(request: pytest.FixtureRequest, stand_in: Any, connect: Callable[..., Any]) -> Any:
    """The stand-in over a socket, and without one."""
    if request.param == "remote":
        return connect()
    return ServicerStub(AttributionServicer(Indexes({"mine": stand_in})))
