"""Over a socket each call is answered by who asks: nobody, somebody without the role or the index, somebody with them."""

import queue
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from attridex.client.errors import details_of
from attridex.v1 import admin_pb2, admin_pb2_grpc
from attridex.v1 import attribution_pb2 as pb
from attridex.v1 import attribution_pb2_grpc as rpc

TOKENS = {"alice": "alices-token-of-some-length", "bob": "bobs-token-of-enough-length", "carol": "carols-token-of-good-length"}
LINES = f"query alice {TOKENS['alice']} alpha\nadmin bob {TOKENS['bob']}\nquery carol {TOKENS['carol']}\n"
OK, UNKNOWN, DENIED = grpc.StatusCode.OK, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED
WAIT = 20


def asked(index: str) -> pb.AttributeInstancesRequest:
    return pb.AttributeInstancesRequest(index=index, queries=[pb.Query(id="q", instance_id="t1")])


def streamed(stub: Any, index: str, **how: Any) -> Any:
    request = pb.AttributeStreamRequest(sequence=1, attribute_instances=asked(index))
    (response,) = stub.AttributeStream(iter([request]), **how)
    return response


CALLS: dict[str, Callable[..., Any]] = {
    "query": lambda channel, index, **how: rpc.AttributionServiceStub(channel).AttributeInstances(asked(index), **how),
    "stream": lambda channel, index, **how: streamed(rpc.AttributionServiceStub(channel), index, **how),
    "admin": lambda channel, index, **how: admin_pb2_grpc.AdminServiceStub(channel).Reload(
        admin_pb2.ReloadRequest(index=index), **how
    ),
    "reflection": lambda channel, index, **how: next(
        iter(
            reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(
                iter([reflection_pb2.ServerReflectionRequest(list_services="")]), **how
            )
        )
    ),
    "health": lambda channel, index, **how: health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), **how),
}


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """The file."""
    path = tmp_path / "tokens"
    path.write_text(LINES)
    path.chmod(0o600)
    return path


def outcome(call: str, port: int, token: str | None, index: str = "alpha") -> tuple[grpc.StatusCode, str]:
    """Status and reason of a call."""
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            answer = CALLS[call](channel, index, timeout=WAIT, metadata=metadata)
        except grpc.RpcError as error:
            return error.code(), details_of(error)[0]  # type: ignore[attr-defined]
    if call == "stream" and answer.HasField("error"):
        return next(code for code in grpc.StatusCode if code.value[0] == answer.error.code), answer.error.reason
    return OK, ""


ANYBODY = {"reflection": (OK, ""), "health": (OK, "")}
NOBODY = dict.fromkeys(("query", "stream", "admin", "reflection"), (UNKNOWN, "UNAUTHENTICATED")) | {"health": (OK, "")}
ROLE = (DENIED, "ROLE")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("token", "index", "expected"),
    [
        (None, "alpha", NOBODY),
        ("a-made-up-token-of-some-length", "alpha", NOBODY),
        (TOKENS["alice"], "alpha", {"query": (OK, ""), "stream": (OK, ""), "admin": ROLE, **ANYBODY}),
        (TOKENS["alice"], "", {"query": (OK, ""), "stream": (OK, ""), "admin": ROLE, **ANYBODY}),
        (TOKENS["alice"], "beta", {"query": (DENIED, "INDEX"), "stream": (DENIED, "INDEX"), "admin": ROLE, **ANYBODY}),
        (TOKENS["alice"], "gamma", {"query": (DENIED, "INDEX"), "stream": (DENIED, "INDEX"), "admin": ROLE, **ANYBODY}),
        (TOKENS["bob"], "beta", {"query": (OK, ""), "stream": (OK, ""), "admin": (OK, ""), **ANYBODY}),
        (TOKENS["carol"], "beta", {"query": (OK, ""), "stream": (OK, ""), "admin": ROLE, **ANYBODY}),
    ],
)
def test_each_is_answered_by_role_and_index(
    call: str, token: str | None, index: str, expected: dict[str, Any], start: Any, stand_in: Any, tokens: Path
) -> None:
    stand_in.reload = lambda: "1"
    assert outcome(call, start("alpha", "beta", tokens=tokens).port, token, index) == expected[call]


@pytest.mark.parametrize(("everybody", "expected"), [(True, (OK, "")), (False, ROLE)])
def test_without_tokens_nobody_administrates_unless_the_server_says_everybody(
    everybody: bool, expected: Any, start: Any, stand_in: Any
) -> None:
    stand_in.reload = lambda: "1"
    port = start("alpha", insecure_admin=everybody).port
    assert outcome("admin", port, None) == expected
    assert outcome("query", port, None) == outcome("reflection", port, None) == (OK, "")


def test_a_revoked_token_ends_at_the_next_request_of_a_stream(start: Any, tokens: Path) -> None:
    port = start("alpha", tokens=tokens).port
    ready: Any = pb.AttributeStreamRequest(sequence=1, attribute_instances=asked("alpha"))
    requests: queue.Queue[Any] = queue.Queue()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        metadata = (("authorization", f"Bearer {TOKENS['alice']}"),)
        stream = rpc.AttributionServiceStub(channel).AttributeStream(iter(requests.get, None), timeout=WAIT, metadata=metadata)
        requests.put(ready)
        assert not next(stream).HasField("error")
        tokens.write_text(LINES.replace("alice", "bob", 1).replace(TOKENS["alice"], "an-entirely-other-token"))
        requests.put(ready)
        with pytest.raises(grpc.RpcError) as raised:
            next(stream)
        assert raised.value.code() is UNKNOWN
        requests.put(None)


def test_an_index_that_may_not_be_asked_is_not_told_of(start: Any, tokens: Path) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{start('alpha', 'beta', tokens=tokens).port}") as channel:
        with pytest.raises(grpc.RpcError, match="it may ask: alpha") as raised:
            rpc.AttributionServiceStub(channel).GetIndex(
                pb.GetIndexRequest(index="beta"), timeout=WAIT, metadata=(("authorization", f"Bearer {TOKENS['alice']}"),)
            )
        assert raised.value.code() is DENIED
