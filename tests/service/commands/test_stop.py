"""SIGTERM: said at once, what is under way may end, what is left is stopped, and the exit code is 0 whatever clients do."""

import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from attridex.v1 import attribution_pb2 as pb
from attridex.v1 import attribution_pb2_grpc as rpc
from tests.processes import running

COMMAND = [sys.executable, "-c", "from attridex.client.commands.app import main; main()"]
WAIT = 60  # seconds after which a test that hangs fails
WORDS = ["the", "a", "doctor", "lawyer", "saw", "helped", "paid", "not", "some", "dog", "cat", "ran", "slept", "today", "park"]
AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


def text(number: int) -> pb.Query:
    """A text that the cache does not know."""
    query = pb.Query(id=f"q{number}")
    words = [WORDS[number // len(WORDS) ** place % len(WORDS)] for place in range(6)]
    query.record.update({"premise": " ".join(words), "hypothesis": "some cat slept", "label": 1})
    return query


def batch(size: int) -> Callable[[Any, int], Any]:
    def call(stub: Any, number: int) -> Any:
        queries = [text(number * size + at) for at in range(size)]
        return stub.AttributeNeurons(pb.AttributeNeuronsRequest(queries=queries), timeout=WAIT)

    return call


def look_up(stub: Any, number: int) -> Any:
    return stub.GetInstances(pb.GetInstancesRequest(ids=[f"t{number % 30}"] * 10_000, fields=["id"]), timeout=WAIT)


def idle_stream(stub: Any, number: int) -> Any:
    over = threading.Event()

    def silence() -> Iterator[Any]:
        over.wait(WAIT)
        yield from ()

    try:
        return list(stub.AttributeStream(silence(), timeout=WAIT))
    finally:
        over.set()


KINDS: dict[str, tuple[Callable[[Any, int], Any], float, tuple[str, ...]]] = {
    "short calls": (batch(1), 10, ()),
    "calls that end within the grace": (batch(40), 10, ()),
    "calls longer than the grace": (batch(1000), 0.3, ()),
    "look-ups": (look_up, 0.3, ("--no-model",)),
    "idle streams": (idle_stream, 10, ("--no-model",)),
}


@pytest.mark.parametrize(("call", "grace", "more"), KINDS.values(), ids=KINDS.keys())
def test_a_stop_under_load_is_a_clean_end(
    call: Callable[[Any, int], Any], grace: float, more: tuple[str, ...], index: Path
) -> None:
    command = [*COMMAND, "serve", f"mine={index}", "--listen", "127.0.0.1:0", "--grace", str(grace), *more]
    with running(command) as process:
        assert process.stderr is not None
        port = process.stderr.readline().strip().rpartition(":")[2]
        found, begun = Counter[Any](), threading.Barrier(5)

        def ask(client: int) -> None:
            with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
                stub, number = rpc.AttributionServiceStub(channel), client * 1000
                stub.GetIndex(pb.GetIndexRequest(), timeout=WAIT)
                begun.wait(WAIT)
                while True:
                    number += 1
                    try:
                        call(stub, number)
                    except grpc.RpcError as error:
                        found[error.code()] += 1
                        return

        threads = [threading.Thread(target=ask, args=(client,)) for client in range(4)]
        for thread in threads:
            thread.start()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=WAIT)
            assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
            begun.wait(WAIT)
            process.send_signal(signal.SIGTERM)
            assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
            assert process.wait(WAIT) == 0
        for thread in threads:
            thread.join(WAIT)
        assert set(found) <= set(AWAY)
        said = process.stderr.read()
        assert "Traceback" not in said
        assert "leaked" not in said
