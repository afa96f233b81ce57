"""Every error of the catalogue reaches the caller as it is; all others stay in the server's log."""

import logging
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from attridex.client.errors import details_of, retry_hint
from attridex.indexer.errors import AttridexError, BusyError, DamageError, InputError
from attridex.service import errors
from attridex.service.calls.status import catalogued
from attridex.service.calls.wire import parsed
from attridex.v1 import attribution_pb2 as pb
from attridex.v1.errors import UsageError

CATALOGUE = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.ServiceError) and kind is not errors.ServiceError
]
ASK = pb.AttributeInstancesRequest(queries=[pb.Query(id="q", instance_id="t1")])


def failed(stub: Any, stand_in: Any, error: Exception) -> Any:
    """The exception of a call whose core raises `error`."""

    def fail(_request: Any, _checkpoint: Any) -> None:
        raise error

    stand_in.behaviour = fail
    with pytest.raises(grpc.RpcError) as raised:
        stub.AttributeInstances(ASK, timeout=20)
    return raised.value


@pytest.mark.parametrize("kind", CATALOGUE, ids=lambda kind: kind.__name__)
def test_code_reason_words_and_field_reach_the_caller(kind: type[errors.ServiceError], stub: Any, stand_in: Any) -> None:
    found = failed(stub, stand_in, kind("k = 0: must be 1 to 10 → größer", "k"))
    assert found.code() is getattr(grpc.StatusCode, kind.code)
    assert found.details() == "k = 0: must be 1 to 10 → größer"
    assert details_of(found) == (kind.reason, {"k": found.details()})


def test_status_details_are_those_of_google_rpc(stub: Any, stand_in: Any) -> None:
    found = failed(stub, stand_in, errors.NotIndexedError("no neurons"))
    status = rpc_status.from_call(found)
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain, len(status.details)) == ("NOT_INDEXED", "attridex", 1)


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (InputError("a bad row"), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"),
        (DamageError("CURRENT: damaged"), grpc.StatusCode.DATA_LOSS, "DAMAGED_INDEX"),
        (BusyError("another process is writing"), grpc.StatusCode.ABORTED, "BUSY"),
        (AttridexError("the disk is full"), grpc.StatusCode.FAILED_PRECONDITION, "MACHINE"),
    ],
)
def test_errors_of_the_indexer_have_a_place_in_the_catalogue(
    error: Exception, code: grpc.StatusCode, reason: str, stub: Any, stand_in: Any
) -> None:
    found = failed(stub, stand_in, error)
    assert (found.code(), found.details(), details_of(found)[0]) == (code, str(error), reason)


def test_the_unknown_is_bland_and_its_details_are_only_logged(stub: Any, stand_in: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "attridex.service"):
        found = failed(stub, stand_in, ZeroDivisionError("/secret/path"))
    assert found.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in found.details() + repr(found.trailing_metadata())
    number = found.details().split()[2].rstrip(";")
    assert f"internal error {number}" in caplog.text
    assert "/secret/path" in caplog.text


@pytest.mark.parametrize("character", ["x", "é", "漢", "🦉", "%", "\n"])
def test_a_message_of_any_length_arrives_under_its_own_code(character: str, stub: Any, stand_in: Any) -> None:
    found = failed(stub, stand_in, errors.InvalidArgumentError(f"column {character * 50_000} is unknown; use 'loss'", "where"))
    assert found.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert found.details().startswith("column ")
    assert found.details().endswith("is unknown; use 'loss'")
    assert details_of(found) == ("INVALID_ARGUMENT", {"where": found.details()})


def test_a_caller_is_told_when_to_try_again(stub: Any, stand_in: Any) -> None:
    found = failed(stub, stand_in, errors.OverloadedError("too much", retry=2.5))
    assert (details_of(found)[0], retry_hint(found)) == ("OVERLOADED", 2.5)
    assert retry_hint(failed(stub, stand_in, errors.LimitError("too much"))) == 0


def test_a_method_that_is_not_there_is_said_to_be_so(start: Any) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{start().port}") as channel:
        for name in ("/attridex.v1.AttributionService/Guess", "/nothing", "/a/b/c"):
            with pytest.raises(grpc.RpcError) as raised:
                channel.unary_unary(name)(b"", timeout=20)
            assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_text_that_is_no_unicode_does_not_lose_the_error(stub: Any, stand_in: Any) -> None:
    found = failed(stub, stand_in, errors.InvalidArgumentError("lone \ud800 surrogate"))
    assert (found.code(), found.details()) == (grpc.StatusCode.INVALID_ARGUMENT, "lone ? surrogate")


def test_bytes_that_are_no_request_are_the_callers_fault(start: Any) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{start().port}") as channel:
        service = "/attridex.v1.AttributionService"
        unary = channel.unary_unary(f"{service}/AttributeInstances")
        with pytest.raises(grpc.RpcError) as raised:
            unary(b"\xff\xff\xff", timeout=20)
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        stream = channel.stream_stream(f"{service}/AttributeStream")
        with pytest.raises(grpc.RpcError) as raised:
            list(stream(iter([b"\xff\xff\xff"]), timeout=20))
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_what_the_contract_refuses_is_an_invalid_argument_with_its_field() -> None:
    found = catalogued(UsageError("label: unknown value 7", "label"))
    assert (type(found), str(found), found.field) == (errors.InvalidArgumentError, "label: unknown value 7", "label")


def test_a_request_that_cannot_be_read_is_refused_inside_the_call() -> None:
    assert parsed(pb.AttributeInstancesRequest, b"") == pb.AttributeInstancesRequest()
    with pytest.raises(errors.InvalidArgumentError, match="cannot be read"):
        parsed(pb.AttributeInstancesRequest, b"\xff\xff\xff")
