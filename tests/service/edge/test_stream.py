"""A stream waits for nobody but its caller, and stops when that one goes."""

import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from attridex.service.caller import never_cancelled
from attridex.service.edge.stream import answered
from attridex.service.errors import CancelledError
from attridex.v1 import attribution_pb2 as pb

WAIT = 20  # seconds after which a test that hangs fails


def message(sequence: int) -> pb.AttributeStreamRequest:
    request = pb.AttributeInstancesRequest(queries=[pb.Query(id=str(sequence), instance_id="t1")])
    return pb.AttributeStreamRequest(sequence=sequence, attribute_instances=request)


def test_a_caller_may_wait_for_each_answer_before_it_asks_again(stub: Any) -> None:
    arrived = [threading.Event() for _ in range(5)]

    def requests() -> Iterator[pb.AttributeStreamRequest]:
        for sequence in range(5):
            yield message(sequence)
            assert arrived[sequence].wait(WAIT), f"no answer to {sequence} before the next request"

    got = []
    for response in stub.AttributeStream(requests(), timeout=WAIT):
        got.append(response.sequence)
        arrived[response.sequence].set()
    assert got == list(range(5))


def test_a_slow_request_does_not_hold_up_those_after_it(stub: Any, stand_in: Any) -> None:
    others_done = threading.Event()
    stand_in.behaviour = lambda request, _: request.queries[0].id == "0" and others_done.wait(WAIT)
    got = []
    for response in stub.AttributeStream(map(message, range(6)), timeout=WAIT):
        got.append(response.sequence)
        if len(got) == 5:
            others_done.set()
    assert sorted(got) == list(range(6))
    assert got[-1] == 0


def test_no_more_is_read_than_may_be_in_flight() -> None:
    read = []

    def requests() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            yield number

    answers = answered(requests(), lambda number: number, never_cancelled, in_flight=3)
    for taken in range(1, 50):
        next(answers)
        # The answer in hand still counts as in flight; a request may be pulled and held until there is room.
        assert len(read) <= taken + 3
    assert sorted([*answers]) != []
    assert read == list(range(100))


def test_every_request_is_answered_once() -> None:
    assert sorted(answered(iter(range(500)), lambda number: number * 2, never_cancelled)) == [2 * n for n in range(500)]
    assert list(answered(iter(()), lambda number: number, never_cancelled)) == []


def test_a_failing_source_of_requests_ends_the_stream_with_its_error() -> None:
    def requests() -> Iterator[int]:
        yield 1
        raise OSError("the file is gone")

    with pytest.raises(OSError, match="the file is gone"):
        list(answered(requests(), lambda number: number, never_cancelled))


def test_a_caller_that_goes_ends_a_stream_that_waits_for_requests() -> None:
    gone, forever = threading.Event(), threading.Event()

    def check() -> None:
        if gone.is_set():
            raise CancelledError("gone")

    def requests() -> Iterator[int]:
        yield 1
        forever.wait(WAIT)

    answers = answered(requests(), lambda number: number, check)
    assert next(answers) == 1
    gone.set()
    with pytest.raises(CancelledError):
        next(answers)
    forever.set()


def test_work_stops_when_the_caller_takes_no_more_answers(stub: Any, stand_in: Any) -> None:
    working, stopped = threading.Event(), threading.Event()

    def work(request: Any, checkpoint: Any) -> None:
        if request.queries[0].id == "0":
            return
        working.set()
        try:
            while not stopped.wait(0.01):
                checkpoint()
        except CancelledError:
            stopped.set()
            raise

    stand_in.behaviour = work
    answers = stub.AttributeStream(map(message, range(2)), timeout=WAIT)
    assert next(answers).sequence == 0
    assert working.wait(WAIT)
    answers.cancel() if hasattr(answers, "cancel") else answers.close()
    assert stopped.wait(WAIT)


def test_a_failed_request_carries_what_a_unary_call_would_and_the_stream_goes_on(stub: Any, stand_in: Any) -> None:
    from attridex.service.errors import UnknownInstanceError

    def fail(request: Any, _: Any) -> None:
        if request.queries[0].id == "1":
            raise UnknownInstanceError("no instance 'x'", "queries")

    stand_in.behaviour = fail
    got = {r.sequence: r for r in stub.AttributeStream(map(message, range(3)), timeout=WAIT)}
    error = got[1].error
    assert (error.code, error.reason, error.message) == (
        grpc.StatusCode.NOT_FOUND.value[0],
        "UNKNOWN_INSTANCE",
        "no instance 'x'",
    )
    assert [got[n].WhichOneof("response") for n in (0, 2)] == ["attribute_instances"] * 2
