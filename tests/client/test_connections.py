"""How calls are made, and what a stream carries."""

from typing import Any

import grpc
import pytest

from attridex.client.connections import Connection, addressed, stream_answer, stream_message
from attridex.client.errors import ClientError, NotFoundError, UnavailableError
from attridex.v1 import attribution_pb2 as pb
from attridex.v1.answers import PredictAnswer
from attridex.v1.requests import (
    AttributeInstancesRequest,
    AttributeNeuronsRequest,
    FindInstancesByNeuronsRequest,
    FindNeuronsByInstancesRequest,
    PredictRequest,
)
from tests.client.test_errors import Failed

STREAMED = [
    AttributeInstancesRequest,
    AttributeNeuronsRequest,
    FindInstancesByNeuronsRequest,
    FindNeuronsByInstancesRequest,
    PredictRequest,
]


@pytest.mark.parametrize("kind", STREAMED)
def test_every_kind_of_request_has_its_place_in_a_stream(kind: Any) -> None:
    message = stream_message(3, kind(()), "mine")
    assert message.sequence == 3
    assert getattr(message, str(message.WhichOneof("request"))).index == "mine"
    assert message.WhichOneof("request").replace("_", "") == kind.__name__.removesuffix("Request").lower()


def test_a_named_index_stays() -> None:
    request = PredictRequest((), index="mine")
    assert addressed(request, "other") is request
    assert addressed(PredictRequest(()), "other").index == "other"


def test_an_answer_of_a_stream_is_read_or_is_its_failure() -> None:
    assert isinstance(stream_answer(pb.AttributeStreamResponse(predict=pb.PredictResponse())), PredictAnswer)
    failure = pb.Failure(code=grpc.StatusCode.NOT_FOUND.value[0], reason="UNKNOWN_INSTANCE", message="nobody")
    found = stream_answer(pb.AttributeStreamResponse(error=failure))
    assert isinstance(found, NotFoundError)
    assert (str(found), found.reason) == ("nobody", "UNKNOWN_INSTANCE")
    assert "another version" in str(stream_answer(pb.AttributeStreamResponse()))
    assert isinstance(stream_answer(pb.AttributeStreamResponse()), ClientError)


def test_a_call_is_made_again_until_it_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attridex.client.connections.time.sleep", lambda seconds: None)
    failures = [Failed(grpc.StatusCode.UNAVAILABLE)] * 2

    class Flaky:
        """Answers the third time."""

        def GetIndex(self, message: Any, timeout: float, **_: Any) -> Any:  # noqa: N802 - gRPC names methods so
            """Fail first."""
            if failures:
                raise failures.pop()
            return message

    with Connection("nowhere:1", retries=2) as connection:
        connection._stub = Flaky()
        assert connection._call("GetIndex", "asked") == "asked"
        failures.extend([Failed(grpc.StatusCode.UNAVAILABLE)] * 3)
        with pytest.raises(UnavailableError):
            connection._call("GetIndex", "asked")
