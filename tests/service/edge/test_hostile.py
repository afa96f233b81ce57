"""Clients that stop, dawdle or talk nonsense cost nobody else an answer, and are not waited for without end."""

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from attridex.v1 import attribution_pb2 as pb
from attridex.v1 import attribution_pb2_grpc as rpc
from attridex.v1.limits import Limits
from tests.service.calls import http2
from tests.service.calls.http2 import Wire, frame

WAIT = 20  # seconds after which a test that hangs fails
MANY = 48
ASK = pb.AttributeInstancesRequest(queries=[pb.Query(id="q", instance_id="t1")])
PATH = b"/attridex.v1.AttributionService/AttributeInstances"
OWN = [("grpc.use_local_subchannel_pool", 1)]
Hostile = Callable[[int, ExitStack], Any]
"""Does what it does to a port until the stack is left; what it returns is looked at meanwhile."""


def channel(port: int) -> grpc.Channel:
    """A connection of its own."""
    return grpc.insecure_channel(f"127.0.0.1:{port}", options=OWN)


def answered(port: int) -> bool:
    """Whether a bystander is answered, by look-ups and by Health."""
    with channel(port) as own:
        found = rpc.AttributionServiceStub(own).AttributeInstances(ASK, timeout=WAIT)
        health = health_pb2_grpc.HealthStub(own).Check(health_pb2.HealthCheckRequest(), timeout=WAIT)
        return bool(found.results) and health.status == health_pb2.HealthCheckResponse.SERVING


def streams(open_one: Callable[[grpc.Channel, Iterator[Any]], Any]) -> Hostile:
    """Streams on which nothing is asked, each on a connection of its own."""

    def run(port: int, stack: ExitStack) -> list[Any]:
        over = threading.Event()
        stack.callback(over.set)

        def silence() -> Iterator[Any]:
            over.wait(WAIT)
            yield from ()

        calls = [open_one(stack.enter_context(channel(port)), silence()) for _ in range(MANY)]
        for call in calls:
            stack.callback(call.cancel)
        return calls

    return run


def wires(connections: int, act: Callable[[Wire], None], window: int | None = None) -> Hostile:
    """Connections by hand."""

    def run(port: int, stack: ExitStack) -> list[Any]:
        made = [stack.enter_context(Wire(port, window)) for _ in range(connections)]
        for wire in made:
            act(wire)
        return []

    return run


def silent_sockets(port: int, stack: ExitStack) -> list[Any]:
    """Connections that say part of the preface at most."""
    for at in range(MANY):
        one = stack.enter_context(socket.create_connection(("127.0.0.1", port), WAIT))
        one.sendall(http2.PREFACE[: at % len(http2.PREFACE)])
    return []


def without_message(wire: Wire) -> None:
    for at in range(MANY):
        wire.call(2 * at + 1, PATH)


def half_a_message(wire: Wire) -> None:
    for at in range(MANY):
        wire.call(2 * at + 1, PATH)
        wire.send(frame(http2.DATA, 0, 2 * at + 1, b"\x00\x00\x00\x00\x05ab"))


def answers_untaken(wire: Wire) -> None:
    for at in range(8):
        wire.call(2 * at + 1, PATH, ASK.SerializeToString())


def resets(wire: Wire) -> None:
    for at in range(2000):
        wire.call(2 * at + 1, PATH)
        wire.send(frame(http2.RESET, 0, 2 * at + 1, (8).to_bytes(4, "big")))


HOSTILE: dict[str, Hostile] = {
    "idle streams": streams(lambda own, silence: rpc.AttributionServiceStub(own).AttributeStream(silence)),
    "idle reflection": streams(lambda own, silence: reflection_pb2_grpc.ServerReflectionStub(own).ServerReflectionInfo(silence)),
    "watchers": streams(lambda own, _: health_pb2_grpc.HealthStub(own).Watch(health_pb2.HealthCheckRequest())),
    "headers without a message": wires(4, without_message),
    "half a message": wires(4, half_a_message),
    "answers that are not taken": wires(8, answers_untaken, window=0),
    "silent sockets": silent_sockets,
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_bystander_is_answered_beside_those_who_do_nothing(hostile: Hostile, start: Any) -> None:
    port = start(workers=1).port
    with ExitStack() as stack:
        calls = hostile(port, stack)
        assert answered(port)
        assert not any(call.done() for call in calls)
    assert answered(port)


def test_calls_that_are_begun_and_reset_stop_nobody(start: Any) -> None:
    port = start(workers=1).port
    with Wire(port) as wire:
        with suppress(ConnectionError):  # the server may have enough of it
            resets(wire)
        assert answered(port)


def test_a_call_whose_message_does_not_come_ends(start: Any) -> None:
    port = start(limits=Limits(idle_seconds=0.2)).port
    with Wire(port) as wire:
        wire.call(1, PATH)
        assert b"4" in wire.frames_until(http2.HEADERS, 1)  # grpc-status 4: DEADLINE_EXCEEDED


@pytest.mark.parametrize("kind", ["AttributeStream", "reflection"])
def test_a_stream_on_which_nothing_is_asked_ends(kind: str, start: Any) -> None:
    over = threading.Event()

    def silence() -> Iterator[Any]:
        over.wait(WAIT)
        yield from ()

    with channel(start(limits=Limits(idle_seconds=0.2)).port) as own:
        stub, reflection = rpc.AttributionServiceStub(own), reflection_pb2_grpc.ServerReflectionStub(own)
        open_one = stub.AttributeStream if kind == "AttributeStream" else reflection.ServerReflectionInfo
        with pytest.raises(grpc.RpcError, match="no request came") as raised:
            list(open_one(silence(), timeout=WAIT))
        over.set()
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_client_that_takes_no_answers_loses_its_connection(start: Any) -> None:
    port = start(limits=Limits(slow_seconds=0.2)).port
    with Wire(port, window=0) as wire:
        answers_untaken(wire)
        assert wire.ended()
    assert answered(port)


def test_a_stream_that_fails_while_an_answer_is_not_taken_yet_says_why(start: Any) -> None:
    question = http2.message(reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString())
    with Wire(start(limits=Limits(requests_per_second=0.01)).port, window=0) as wire:
        wire.call(1, b"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        wire.send(frame(http2.DATA, http2.END_STREAM, 1, question * 2))  # of these, the second is refused
        wire.frames_until(http2.HEADERS, 1)
        time.sleep(0.2)
        wire.send(frame(http2.WINDOW_UPDATE, 0, 1, (2**16).to_bytes(4, "big")))
        assert b"requests a second" in wire.frames_until(http2.HEADERS, 1)


LARGE = pb.AttributeInstancesRequest(queries=[pb.Query(id=f"{'q' * 1000}", instance_id="t1")] * 1024)


def test_a_client_of_a_unix_socket_that_takes_no_answers_loses_its_connection_and_no_other_does(
    start: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "socket"
    start(listen=f"unix:{place}", limits=Limits(slow_seconds=0.2))
    with Wire(str(place), window=0) as closed:
        closed.call(1, PATH, ASK.SerializeToString())
        reader = threading.Thread(target=closed.ended)  # it reads, and lets nothing be sent
        reader.start()
        until(lambda: "its call waits" in caplog.text)
        with Wire(str(place), window=2**30) as deaf, grpc.insecure_channel(f"unix:{place}", options=OWN) as own:
            deaf.send(frame(http2.WINDOW_UPDATE, 0, 0, (2**30).to_bytes(4, "big")))
            deaf.call(1, PATH, LARGE.SerializeToString())  # it reads nothing
            until(lambda: "its connection is ended" in caplog.text)
            assert rpc.AttributionServiceStub(own).AttributeInstances(ASK, timeout=WAIT).results
            assert deaf.ended()
        closed.socket.shutdown(socket.SHUT_RDWR)
        reader.join(WAIT)
    assert [record.exc_text or record.getMessage() for record in caplog.records if record.exc_info] == []


def until(true: Callable[[], bool]) -> None:
    """Wait for what must come."""
    last = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < last
        time.sleep(0.05)


def test_a_connection_over_the_limit_is_closed_and_there_is_room_again_after_it(start: Any) -> None:
    port = start(limits=Limits(connections=4)).port
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(Wire(port)).read(9)
        with Wire(port) as fifth:
            assert fifth.ended()
    until = time.monotonic() + WAIT
    while time.monotonic() < until:  # the server notices that they have gone
        with Wire(port) as wire:
            if wire.read(9):
                break
    assert answered(port)


def test_a_connection_has_so_many_streams_and_no_more(start: Any) -> None:
    over = threading.Event()

    def silence() -> Iterator[Any]:
        over.wait(WAIT)
        yield from ()

    with channel(start(limits=Limits(streams=2)).port) as own:
        stub, health = rpc.AttributionServiceStub(own), health_pb2_grpc.HealthStub(own)
        calls = [stub.AttributeStream(silence(), timeout=WAIT) for _ in range(2)]
        watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=WAIT)  # is counted apart
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        refused = None
        while refused is None:  # the first stream may still be on its way
            third = stub.AttributeStream(silence(), timeout=1)
            try:
                next(third)
            except grpc.RpcError as error:
                refused = error if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED else None
        assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert not any(call.done() for call in [*calls, watch])
        over.set()


@pytest.mark.parametrize("seed", range(6))
def test_bytes_that_are_no_http2_are_no_fault_of_ours(seed: int, start: Any, caplog: pytest.LogCaptureFixture) -> None:
    port, draw = start(workers=1).port, random.Random(seed)
    strange = [
        lambda: draw.randbytes(draw.randrange(1, 5000)),
        lambda: b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        lambda: http2.PREFACE + draw.randbytes(3000),
        lambda: http2.PREFACE + frame(http2.SETTINGS, 0, 0) + b"".join(
            frame(draw.randrange(12), draw.randrange(256), draw.randrange(9), draw.randbytes(draw.randrange(200)))
            for _ in range(20)
        ),
        lambda: b"\x16\x03\x01" + draw.randbytes(200),
        lambda: http2.PREFACE + frame(http2.SETTINGS, 0, 0) + b"".join(
            frame(http2.HEADERS, 5, 1 + 2 * at, http2.headers(bytes([47, draw.randrange(128, 256), draw.randrange(256)])))
            for at in range(5)
        ),
        lambda: http2.PREFACE + frame(http2.SETTINGS, 0, 0) + frame(http2.PING, 0, 0, b"12345678") * 5000,
    ]  # fmt: skip
    for make in strange:
        with socket.create_connection(("127.0.0.1", port), WAIT) as one:
            try:
                one.sendall(make())
            except ConnectionError:
                continue
    assert answered(port)
    assert "internal error" not in caplog.text


def test_a_question_is_answered_beside_clients_that_hold_all_that_they_may(start: Any, stand_in: Any) -> None:
    release = threading.Event()
    stand_in.behaviour = lambda request, _: request.queries[0].id != "q" and release.wait(WAIT)
    port = start().port
    held = pb.AttributeInstancesRequest(queries=[pb.Query(id="held", instance_id="t1")])
    with ExitStack() as stack:
        stubs = [rpc.AttributionServiceStub(stack.enter_context(channel(port))) for _ in range(4)]
        calls = [stub.AttributeInstances.future(held, timeout=WAIT) for stub in stubs for _ in range(12)]
        assert answered(port)
        assert not any(call.done() for call in calls)
        release.set()
        assert all(isinstance(call.result(), pb.AttributeInstancesResponse) for call in calls)


def test_a_stream_may_take_longer_than_a_call_may(start: Any, stand_in: Any) -> None:
    waited = threading.Event()
    stand_in.behaviour = lambda _request, checkpoint: (waited.wait(0.5), checkpoint())
    port = start(limits=Limits(call_seconds=0.2)).port
    with channel(port) as own:
        stub = rpc.AttributionServiceStub(own)
        (answer,) = stub.AttributeStream(iter([pb.AttributeStreamRequest(attribute_instances=ASK)]), timeout=WAIT)
        assert answer.WhichOneof("response") == "attribute_instances"
        with pytest.raises(grpc.RpcError) as raised:
            stub.AttributeInstances(ASK)
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
