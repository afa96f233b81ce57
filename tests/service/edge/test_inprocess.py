"""Without a socket the stub does all that a channel's stub does."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from attridex.service.edge.inprocess import ServicerStub
from attridex.service.edge.servicer import AttributionServicer, Indexes
from attridex.v1 import attribution_pb2 as pb
from attridex.v1 import attribution_pb2_grpc as rpc

ASK = pb.AttributeInstancesRequest(queries=[pb.Query(id="q", instance_id="t1")])


def test_it_has_every_method_of_the_generated_stub(stand_in: Any) -> None:
    with grpc.insecure_channel("127.0.0.1:1") as channel:
        generated = set(vars(rpc.AttributionServiceStub(channel)))
    stub = ServicerStub(AttributionServicer(Indexes({"mine": stand_in})))
    assert len(generated) == 12
    assert {name for name in generated if callable(getattr(stub, name))} == generated


def test_a_deadline_ends_the_work_with_its_own_code(stub: Any, stand_in: Any) -> None:
    def forever(_request: object, checkpoint: Any) -> None:
        while True:
            checkpoint()

    stand_in.behaviour = forever
    with pytest.raises(grpc.RpcError) as raised:
        stub.AttributeInstances(ASK, timeout=0.2)
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    with pytest.raises(grpc.RpcError) as raised:
        list(stub.AttributeStream(iter([pb.AttributeStreamRequest(attribute_instances=ASK)]), timeout=0.2))
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_failing_iterator_of_requests_has_the_code_of_a_channel(stub: Any) -> None:
    def requests() -> Iterator[pb.AttributeStreamRequest]:
        yield pb.AttributeStreamRequest(attribute_instances=ASK)
        raise OSError("line 7 is no JSON")

    with pytest.raises(grpc.RpcError) as raised:
        list(stub.AttributeStream(requests(), timeout=20))
    assert raised.value.code() is grpc.StatusCode.UNKNOWN
    if isinstance(stub, ServicerStub):
        assert raised.value.details() == "the iterator of requests failed: line 7 is no JSON"


def test_an_interrupt_is_not_an_answer(stand_in: Any) -> None:
    def interrupted(_request: object, _checkpoint: object) -> None:
        raise KeyboardInterrupt

    stand_in.behaviour = interrupted
    with pytest.raises(KeyboardInterrupt):
        ServicerStub(AttributionServicer(Indexes({"mine": stand_in}))).AttributeInstances(ASK)  # type: ignore[attr-defined]


def test_a_client_that_nobody_closes_says_nothing_at_the_end(index: Path) -> None:
    lines = ["from attridex.client import Client", f"client = Client.local({str(index)!r}, model=False)", "client.get_index()"]
    ran = subprocess.run([sys.executable, "-P", "-c", "\n".join(lines)], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
