"""Exceptions of the client: one class for each gRPC status, with the server's reason and fields."""

from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from attridex.v1.errors import ClientError as ClientError
from attridex.v1.errors import MissingPackageError as MissingPackageError
from attridex.v1.errors import UsageError as UsageError

DETAILS_KEY = "grpc-status-details-bin"
ERRORS: dict[grpc.StatusCode, type["ServiceError"]] = {}
"""The class of each status."""
OF_CERTIFICATES = ("CERTIFICATE_VERIFY_FAILED", "Hostname Verification", "security handshaker")
CUT_OFF = ("Socket closed", "Connection reset")
"""What gRPC says of connections that cannot be had."""


class FilterError(UsageError):
    """A filter string that cannot be read."""


class ServiceError(ClientError):
    """The server's answer was an error.

    Attributes:
        reason: stable reason of the error catalogue, such as UNKNOWN_INSTANCE; empty where the server gave none.
        fields: the request's fields to blame, with what is wrong.
        request_id: what the server's log calls the request; empty where it has none. The message names it where the request
            itself is not to blame, since the log says more then.
    """

    def __init__(self, message: str, reason: str = "", fields: dict[str, str] | None = None, request_id: str = "") -> None:
        """Say what the server said.

        Args:
            message: the server's.
            reason: see the attributes.
            fields: see the attributes.
            request_id: see the attributes.
        """
        named = bool(request_id) and self.exit_code == ClientError.exit_code
        super().__init__(f"{message} [request {request_id}]" if named else message)
        self.reason = reason
        self.fields = fields or {}
        self.request_id = request_id

    def __init_subclass__(cls, status: grpc.StatusCode | None = None) -> None:
        """Make the class that of a status."""
        if status is not None:
            ERRORS[status] = cls


class CancelledError(ServiceError, status=grpc.StatusCode.CANCELLED):
    """The call was cancelled."""


class UnknownError(ServiceError, status=grpc.StatusCode.UNKNOWN):
    """The server failed in a way that it does not know itself."""


class InvalidArgumentError(ServiceError, status=grpc.StatusCode.INVALID_ARGUMENT):
    """The request can never be answered as it is."""

    exit_code = 2


class DeadlineExceededError(ServiceError, status=grpc.StatusCode.DEADLINE_EXCEEDED):
    """No answer within the timeout."""


class NotFoundError(ServiceError, status=grpc.StatusCode.NOT_FOUND):
    """No such instance, index or version."""

    exit_code = 2


class AlreadyExistsError(ServiceError, status=grpc.StatusCode.ALREADY_EXISTS):
    """What was to be made is there."""


class PermissionDeniedError(ServiceError, status=grpc.StatusCode.PERMISSION_DENIED):
    """Not allowed."""


class ResourceExhaustedError(ServiceError, status=grpc.StatusCode.RESOURCE_EXHAUSTED):
    """The server is overloaded, or a message is over its limit."""


class FailedPreconditionError(ServiceError, status=grpc.StatusCode.FAILED_PRECONDITION):
    """The index or the server lacks what the request needs."""

    exit_code = 2


class AbortedError(ServiceError, status=grpc.StatusCode.ABORTED):
    """The version changed under a listing."""


class OutOfRangeError(ServiceError, status=grpc.StatusCode.OUT_OF_RANGE):
    """Past the end."""

    exit_code = 2


class UnimplementedError(ServiceError, status=grpc.StatusCode.UNIMPLEMENTED):
    """The server does not have this call."""


class InternalError(ServiceError, status=grpc.StatusCode.INTERNAL):
    """A fault of the server; its log has the details."""


class UnavailableError(ServiceError, status=grpc.StatusCode.UNAVAILABLE):
    """No server there, or it went away."""


class DataLossError(ServiceError, status=grpc.StatusCode.DATA_LOSS):
    """The index is damaged."""


class UnauthenticatedError(ServiceError, status=grpc.StatusCode.UNAUTHENTICATED):
    """The server does not know who asks."""


def from_rpc(error: Any, target: str, request_id: str = "") -> ServiceError:
    """The exception for a failed call.

    Args:
        error: gRPC's.
        target: is named where the server could not be reached.
        request_id: of the call.
    """
    reason, fields = details_of(error)
    message = error.details() or error.code().name
    if error.code() == grpc.StatusCode.UNAVAILABLE and not reason:
        message = f"no attridex server answers at {target} ({message}); {what_to_do(message)}"
    if left_by_server(error):
        message = f"{target} stopped before it answered; ask again"
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED and not reason:
        message = f"no answer from {target} within the timeout"
    return ERRORS.get(error.code(), UnknownError)(message, reason, fields, request_id)


def left_by_server(error: Any) -> bool:
    """Whether a server that stops let a call go that it had not taken yet: gRPC ends those without a word."""
    return bool(error.code() == grpc.StatusCode.CANCELLED and not error.details() and not details_of(error)[0])


def what_to_do(failure: str) -> str:
    """What is to be done about a connection that cannot be had; gRPC tells a client no more of a refused certificate."""
    if any(words in failure for words in OF_CERTIFICATES):
        return "the certificates do not fit: look at --tls-ca and the server's name, at --tls-cert and --tls-key"
    if any(words in failure for words in CUT_OFF):
        return "it ends the connection: it may speak TLS (--tls-ca), or want a client's certificate that is valid (--tls-cert)"
    return "start one with `attridex serve INDEX`"


def from_failure(code: int, reason: str, message: str, request_id: str = "") -> ServiceError:
    """The exception for one failed request of a stream.

    Args:
        code: number of the status.
        reason: of the error catalogue.
        message: the server's.
        request_id: of the stream.
    """
    kinds = {status.value[0]: kind for status, kind in ERRORS.items()}
    return kinds.get(code, UnknownError)(message, reason, request_id=request_id)


def retry_hint(error: Any) -> float:
    """Seconds after which the server says that a call may be made again; 0 where it says nothing."""
    for detail in status_of(error).details:
        info = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            return float(info.retry_delay.seconds + info.retry_delay.nanos / 1e9)
    return 0.0


def status_of(error: Any) -> status_pb2.Status:
    """The status in a call's trailing metadata; an empty one where there is none, or it cannot be read."""
    metadata, status = dict(error.trailing_metadata() or ()), status_pb2.Status()
    try:
        status.ParseFromString(metadata.get(DETAILS_KEY, b""))
    except DecodeError:
        return status_pb2.Status()
    return status


def details_of(error: Any) -> tuple[str, dict[str, str]]:
    """Reason and field violations of a status's details."""
    reason, fields = "", {}
    for detail in status_of(error).details:
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            reason = info.reason
        elif detail.Unpack(bad):
            fields = {violation.field: violation.description for violation in bad.field_violations}
    return reason, fields
