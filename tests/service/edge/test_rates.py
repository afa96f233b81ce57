"""Over a socket a client that asks too often is told when to ask again, in streams too, and nobody else notices."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from attridex.client import Client
from attridex.client.errors import details_of, retry_hint
from attridex.v1 import attribution_pb2 as pb
from attridex.v1 import attribution_pb2_grpc as rpc
from attridex.v1.limits import Limits
from attridex.v1.requests import AttributeInstancesRequest, Query

WAIT = 20
ASK = pb.AttributeInstancesRequest(queries=[pb.Query(id="q", instance_id="t1")])
SLOW = Limits(requests_per_second=0.01)
"""One request, and no other for a hundred seconds."""


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """The tokens of alice and bob."""
    path = tmp_path / "tokens"
    path.write_text("".join(f"query {name} {token(name)}\n" for name in ("alice", "bob")))
    path.chmod(0o600)
    return path


def token(name: str) -> str:
    return f"{name}s-token-of-some-length"


def bearer(name: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token(name)}"),)


@pytest.fixture
def connect(start: Any) -> Any:
    """Connections of their own to one server."""
    stack = ExitStack()

    def run(server: Any) -> grpc.Channel:
        own = grpc.insecure_channel(f"127.0.0.1:{server.port}", options=[("grpc.use_local_subchannel_pool", 1)])
        return stack.enter_context(own)

    with stack:
        yield run


def test_a_name_has_its_rate_over_all_its_connections(start: Any, tokens: Path, connect: Callable[[Any], grpc.Channel]) -> None:
    server = start(tokens=tokens, limits=SLOW)
    first, second = (rpc.AttributionServiceStub(connect(server)) for _ in range(2))
    first.AttributeInstances(ASK, timeout=WAIT, metadata=bearer("alice"))
    with pytest.raises(grpc.RpcError, match=r"one client may ask 0\.01 requests a second") as raised:
        second.AttributeInstances(ASK, timeout=WAIT, metadata=bearer("alice"))
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details_of(raised.value)[0] == "OVERLOADED"
    assert 90 < (retry_hint(raised.value) or 0) <= 100
    second.AttributeInstances(ASK, timeout=WAIT, metadata=bearer("bob"))
    with pytest.raises(grpc.RpcError, match="the token is not one"):  # not counted for anybody
        second.AttributeInstances(ASK, timeout=WAIT, metadata=(("authorization", "Bearer nobody"),))


def test_requests_of_a_stream_and_of_reflection_are_counted(start: Any, connect: Callable[[Any], grpc.Channel]) -> None:
    server = start(limits=SLOW)
    asked = [pb.AttributeStreamRequest(sequence=number, attribute_instances=ASK) for number in (1, 2)]
    answers = list(rpc.AttributionServiceStub(connect(server)).AttributeStream(iter(asked), timeout=WAIT))
    assert sorted(answer.error.reason for answer in answers) == ["", "OVERLOADED"]
    questions = [reflection_pb2.ServerReflectionRequest(list_services="")] * 2
    with pytest.raises(grpc.RpcError, match="requests a second"):
        list(reflection_pb2_grpc.ServerReflectionStub(connect(server)).ServerReflectionInfo(iter(questions), timeout=WAIT))


def test_our_client_waits_and_is_answered(start: Any) -> None:
    server = start(limits=Limits(requests_per_second=20))
    with Client(f"127.0.0.1:{server.port}", retries=10) as client:
        for _ in range(30):
            client.send(AttributeInstancesRequest((Query.instance("t1"),)))


def test_a_name_with_many_connections_has_the_threads_of_one_client(
    start: Any, stand_in: Any, tokens: Path, connect: Callable[[Any], grpc.Channel]
) -> None:
    release = threading.Event()
    stand_in.behaviour = lambda request, _: request.queries[0].id == "held" and release.wait(WAIT)
    server = start(tokens=tokens, workers=8)
    held = pb.AttributeInstancesRequest(queries=[pb.Query(id="held", instance_id="t1")])
    stubs = [rpc.AttributionServiceStub(connect(server)) for _ in range(8)]
    calls = [stub.AttributeInstances.future(held, timeout=WAIT, metadata=bearer("alice")) for stub in stubs]
    rpc.AttributionServiceStub(connect(server)).AttributeInstances(ASK, timeout=WAIT, metadata=bearer("bob"))
    assert server._edge.pools[0].busy <= 3  # a quarter of eight, and bob's that may not be over
    release.set()
    assert all(call.result().results for call in calls)
