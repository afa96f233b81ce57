"""The running server: limits, health, reflection, names of indices, deadlines and a stop that loses nothing."""

import json
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from attridex.client.channel import worth_retrying
from attridex.client.errors import details_of
from attridex.indexer.errors import InputError
from attridex.service.calls.turns import WAITING
from attridex.service.edge.options import ServerOptions
from attridex.service.edge.server import Server, parse_indexes
from attridex.service.errors import CancelledError
from attridex.v1 import attribution_pb2 as pb
from attridex.v1 import attribution_pb2_grpc as rpc
from attridex.v1.limits import Limits
from tests.processes import running

WAIT = 20  # seconds after which a test that hangs fails
SERVICES = {"attridex.v1.AttributionService", "attridex.v1.AdminService"}
COMMAND = [sys.executable, "-c", "from attridex.client.commands.app import main; main()"]


def ask(index: str = "", **fields: Any) -> pb.AttributeInstancesRequest:
    return pb.AttributeInstancesRequest(index=index, queries=[pb.Query(id="q", instance_id="t1")], **fields)


def test_two_servers_do_not_share_a_port(start: Any, stand_in: Any) -> None:
    first, second = start(), start()
    assert 0 < first.port != second.port > 0
    with pytest.raises(InputError, match="the address is in use"):
        Server({"mine": stand_in}, ServerOptions(f"127.0.0.1:{first.port}"))


def test_an_index_may_go_unnamed_where_there_is_one_alone(connect: Callable[..., Any]) -> None:
    assert connect("mine").AttributeInstances(ask(), timeout=WAIT).results
    several = connect("alpha", "beta")
    assert several.AttributeInstances(ask("beta"), timeout=WAIT).results
    for name, code, words in (
        ("", grpc.StatusCode.INVALID_ARGUMENT, "name one of alpha, beta"),
        ("alpa", grpc.StatusCode.NOT_FOUND, "did you mean 'alpha'?"),
    ):
        with pytest.raises(grpc.RpcError, match=words) as raised:
            several.AttributeInstances(ask(name), timeout=WAIT)
        assert raised.value.code() is code
        assert list(details_of(raised.value)[1]) == ["index"]


@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip])
def test_messages_over_the_limit_are_refused_compressed_or_not_and_those_below_are_not(
    compression: grpc.Compression | None, connect: Callable[..., Any]
) -> None:
    stub = connect(limits=Limits(request_bytes=5 << 20, text_characters=5 << 20))

    def send(size: int) -> Any:
        query = pb.Query(id="q", record_json=json.dumps({"premise": "x" * size}))
        return stub.AttributeInstances(pb.AttributeInstancesRequest(queries=[query]), timeout=WAIT, compression=compression)

    assert send(9 << 19).results  # over gRPC's own limit of 4 MiB
    with pytest.raises(grpc.RpcError, match="larger than max") as raised:
        send(6 << 20)
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not worth_retrying(raised.value)


def settle(calls: list[Any], count: int) -> None:
    """Wait until so many calls are done."""
    until = time.monotonic() + WAIT
    while sum(call.done() for call in calls) < count:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_requests_of_more_bytes_than_may_wait_are_refused_until_there_is_room(connect: Callable[..., Any], stand_in: Any) -> None:
    release = threading.Event()
    stand_in.behaviour = lambda _request, _checkpoint: release.wait(WAIT)
    stub = connect(limits=Limits(request_bytes=1 << 20, waiting_bytes=1 << 20))
    large = pb.AttributeInstancesRequest(queries=[pb.Query(id="q", record_json=json.dumps({"premise": "x" * 700_000}))])
    calls = [stub.AttributeInstances.future(large, timeout=WAIT) for _ in range(3)]
    settle(calls, 2)
    assert {call.code() for call in calls if call.done()} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    release.set()
    assert sum(call.code() is grpc.StatusCode.OK for call in calls) == 1
    assert stub.AttributeInstances(large, timeout=WAIT).results


def test_calls_beyond_those_that_may_wait_are_refused_at_once(connect: Callable[..., Any], stand_in: Any) -> None:
    release = threading.Event()
    stand_in.behaviour = lambda _request, _checkpoint: release.wait(WAIT)
    stub = connect(workers=1)  # one is answered, 32 may wait
    calls = [stub.AttributeInstances.future(ask(), timeout=WAIT) for _ in range(1 + WAITING + 9)]
    settle(calls, 9)
    assert {call.code() for call in calls if call.done()} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    release.set()
    answered = [call for call in calls if call.code() is grpc.StatusCode.OK]
    assert len(answered) == 1 + WAITING


@pytest.mark.parametrize("ended", ["deadline", "cancelled"])
def test_work_stops_once_nobody_waits_for_it(ended: str, connect: Callable[..., Any], stand_in: Any) -> None:
    working, stopped = threading.Event(), threading.Event()

    def work(_request: Any, checkpoint: Any) -> None:
        working.set()
        try:
            while not stopped.wait(0.01):
                checkpoint()
        except CancelledError:
            stopped.set()
            raise

    stand_in.behaviour = work
    call = connect().AttributeInstances.future(ask(), timeout=1 if ended == "deadline" else WAIT)
    assert working.wait(WAIT)
    if ended == "cancelled":
        call.cancel()
    else:
        with pytest.raises(grpc.RpcError) as raised:
            call.result()
        assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert stopped.wait(WAIT)


def test_a_stop_says_so_first_lets_calls_end_and_closes_the_index(start: Any, stand_in: Any) -> None:
    began, release = threading.Event(), threading.Event()

    def work(_request: Any, _checkpoint: Any) -> None:
        began.set()
        release.wait(WAIT)

    stand_in.behaviour = work
    server = start()
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel, ThreadPoolExecutor(2) as pool:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=WAIT)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        stub = rpc.AttributionServiceStub(channel)
        call = pool.submit(stub.AttributeInstances, ask(), timeout=WAIT)
        assert began.wait(WAIT)
        stopping = pool.submit(server.stop, WAIT)
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()
        assert not stand_in.closed
        release.set()
        assert call.result(WAIT).results[0].query_id == "q"
        stopping.result(WAIT)
        assert stand_in.closed


@pytest.mark.parametrize("admin", [True, False])
def test_reflection_lists_what_is_served_and_administration_can_be_left_out(admin: bool, start: Any) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{start(admin=admin).port}") as channel:
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        (found,) = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([request]), timeout=WAIT)
        names = {service.name for service in found.list_services_response.service}
        expected = SERVICES if admin else {"attridex.v1.AttributionService"}
        assert names & SERVICES == expected
        assert {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"} <= names
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", *expected):
            assert health.Check(health_pb2.HealthCheckRequest(service=name)).status == health_pb2.HealthCheckResponse.SERVING


def test_arguments_name_indices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "odd=name").mkdir()
    monkeypatch.chdir(tmp_path)
    assert parse_indexes(["a/b", "x=c/d", "odd=name"]) == {
        "b": Path("a/b"), "x": Path("c/d"), "odd=name": Path("odd=name"),
    }  # fmt: skip
    assert parse_indexes(["."]) == {tmp_path.name: Path()}
    with pytest.raises(InputError, match="two indices named 'b'"):
        parse_indexes(["a/b", "c/b"])
    for argument in ("=a", "x="):
        with pytest.raises(InputError, match="write DIR, or NAME=DIR"):
            parse_indexes([argument])


def test_a_signal_right_after_the_announcement_is_a_clean_end_and_torch_stays_out(index: Path) -> None:
    code = """
import atexit, sys
def tell():
    heavy = {"torch", "transformers"} & set(sys.modules)
    sys.stderr.write(f"heavy: {sorted(heavy)}\\n")
atexit.register(tell)
from attridex.client.commands.app import main
main(["serve", sys.argv[1], "--listen", "127.0.0.1:0", "--no-model"])
"""
    command = [sys.executable, "-c", code, str(index)]
    with running(command) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("listening on 127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT) == 0
        assert "heavy: []" in process.stderr.read()


def test_a_stop_does_not_wait_for_an_event_loop_that_hangs(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attridex.service.edge.server.STOP_SECONDS", 0.1)
    server, release = start(), threading.Event()
    server._loop.call_soon_threadsafe(release.wait)
    assert not server.stop(0)
    release.set()
