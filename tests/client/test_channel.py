"""What is tried again, how long, and with which limits."""

from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from attridex.client.channel import (
    LONGEST_SECONDS,
    Attempts,
    Tls,
    backoff,
    channel_options,
    checked_request_id,
    worth_retrying,
)
from attridex.client.errors import DETAILS_KEY, CancelledError, ResourceExhaustedError, UnavailableError, UsageError
from attridex.service.calls.status import packed
from tests.client.test_errors import Failed


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_only_a_server_that_is_away_or_overloaded_is_asked_again(code: grpc.StatusCode) -> None:
    again = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert worth_retrying(Failed(code)) == (code in again)


def test_a_call_that_a_stopping_server_left_is_made_again_unless_it_may_be_done() -> None:
    left = Failed(grpc.StatusCode.CANCELLED)
    left.details = lambda: ""  # type: ignore[method-assign]
    assert worth_retrying(left)
    assert Attempts(60, 3, "here").pause(left) > 0
    with pytest.raises(CancelledError, match="here stopped before it answered; ask again"):
        Attempts(60, 3, "here", once=True).pause(left)


def test_a_message_over_its_limit_is_not_sent_again() -> None:
    class TooLarge(Failed):
        """Over the limit."""

        def details(self) -> str:
            """As gRPC says it."""
            return "Received message larger than max (8 vs. 4)"

    with pytest.raises(ResourceExhaustedError):
        Attempts(60, 3, "here").pause(TooLarge(grpc.StatusCode.RESOURCE_EXHAUSTED))


def test_tries_end_with_their_number_or_their_time() -> None:
    away: Any = Failed(grpc.StatusCode.UNAVAILABLE)
    attempts = Attempts(60, 2, "here")
    first, second = attempts.pause(away), attempts.pause(away)
    assert 0.05 <= first <= 0.15
    assert 0.1 <= second <= 0.3
    for exhausted in (attempts, Attempts(0.01, 9, "here")):
        with pytest.raises(UnavailableError, match="no attridex server answers at here"):
            exhausted.pause(away)


@pytest.mark.parametrize("hint", [0.0, 2.0, 20.0, 10_000.0])
def test_the_server_s_hint_is_obeyed_with_jitter_and_within_reason(hint: float) -> None:
    waits = [backoff(0, hint) for _ in range(50)]
    assert min(hint, LONGEST_SECONDS) <= min(waits)
    assert max(waits) <= 1.5 * LONGEST_SECONDS + 0.15
    assert len(set(waits)) > 1


def test_limits_hold_both_ways() -> None:
    assert dict(channel_options(3)) == {
        "grpc.max_receive_message_length": 3 << 20, "grpc.max_send_message_length": 3 << 20, "grpc.enable_retries": 0,
    }  # fmt: skip


def test_a_certificate_that_is_not_there_is_said(tmp_path: Path) -> None:
    for path in (tmp_path / "ca.pem", str(tmp_path / "ca.pem")):
        with pytest.raises(UsageError, match=r"TLS: .*ca\.pem: No such file"):
            Tls(ca=path).credentials()


@pytest.mark.parametrize(("reason", "again"), [("", False), ("OVERLOADED", True), ("STOPPING", True), ("SHARDS", False)])
def test_what_may_have_been_done_or_was_tried_long_is_not_done_again_unasked(reason: str, again: bool) -> None:
    class Refused(Failed):
        """The server says why, or nothing came."""

        def trailing_metadata(self) -> Any:
            """Its status."""
            detail = packed(error_details_pb2.ErrorInfo(reason=reason))
            return ((DETAILS_KEY, status_pb2.Status(details=[detail]).SerializeToString()),)

    attempts = Attempts(60, 3, "here", once=True)
    if again:
        assert attempts.pause(Refused(grpc.StatusCode.UNAVAILABLE)) > 0
    else:
        with pytest.raises(UnavailableError):
            attempts.pause(Refused(grpc.StatusCode.UNAVAILABLE))


def test_all_tries_have_one_name_and_the_error_keeps_it() -> None:
    attempts = Attempts(60, 1, "here", (("a", "b"),), request_id="mine-7")
    assert attempts.metadata == (("a", "b"), ("x-request-id", "mine-7"))
    assert attempts.failure(Failed(grpc.StatusCode.INTERNAL)).request_id == "mine-7"
    assert str(attempts.failure(Failed(grpc.StatusCode.INTERNAL))) == "words [request mine-7]"
    assert str(attempts.failure(Failed(grpc.StatusCode.INVALID_ARGUMENT))) == "words"


@pytest.mark.parametrize("name", ["", "two words", "é", "x" * 129])
def test_a_name_that_the_server_would_not_keep_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="request_id"):
        checked_request_id(name)
