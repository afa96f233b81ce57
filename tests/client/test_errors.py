"""Every gRPC status has an exception of its own."""

import grpc
import pytest

from attridex.client.errors import ERRORS, ServiceError, from_failure, from_rpc


class Failed(grpc.RpcError):
    """A failed call."""

    def __init__(self, code: grpc.StatusCode) -> None:
        """With a status code."""
        self._code = code

    def code(self) -> grpc.StatusCode:
        """The status."""
        return self._code

    def details(self) -> str:
        """The message."""
        return "words"

    def trailing_metadata(self) -> tuple[()]:
        """None."""
        return ()


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_each_status_maps_to_its_class(code: grpc.StatusCode) -> None:
    error = from_rpc(Failed(code), "here")
    assert type(error) is ERRORS[code] is not ServiceError
    assert type(from_failure(code.value[0], "R", "m")) is ERRORS[code]
    assert error.exit_code in (1, 2)


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        ("failed to connect to all addresses; last error: UNAVAILABLE: ipv4:127.0.0.1:1: Socket closed", "may speak TLS"),
        ("SSL_ERROR_SSL: error:1000007d: CERTIFICATE_VERIFY_FAILED", "certificates do not fit"),
        ("Connection refused", "start one with"),
    ],
)
def test_a_connection_that_cannot_be_had_says_what_may_be_wrong(failure: str, words: str) -> None:
    error = Failed(grpc.StatusCode.UNAVAILABLE)
    error.details = lambda: failure  # type: ignore[method-assign]
    assert words in str(from_rpc(error, "here"))


def test_no_class_stands_for_two_statuses() -> None:
    assert len(set(ERRORS.values())) == len(ERRORS) == 16
