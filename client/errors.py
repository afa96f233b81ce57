"""Exceptions of the client: one class for each gRPC status, with the server's reason and fields."""

from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from attridex.v1.errors import ClientError as ClientError
from attridex.v1.errors import MissingPackageError as MissingPackageError
from attridex.v1.errors import UsageError as UsageError

DETAILS_KEY = "grpc-status-details-bin"


class FilterError(UsageError):
    """A filter string that cannot be read."""


class ServiceError(ClientError):
    """The server's answer was an error.

    Attributes:
        reason: stable reason of the error catalogue, such as UNKNOWN_INSTANCE; empty where the server gave none.
        fields: the request's fields to blame, with what is wrong.
    """

    def __init__(self, message: str, reason: str = "", fields: dict[str, str] | None = None) -> None:
        """`message` is the server's."""
        super().__init__(message)
        self.reason = reason
        self.fields = fields or {}


class CancelledError(ServiceError):
    """The call was cancelled."""


class UnknownError(ServiceError):
    """The server failed in a way that it does not know itself."""


class InvalidArgumentError(ServiceError):
    """The request can never be answered as it is."""

    exit_code = 2


class DeadlineExceededError(ServiceError):
    """No answer within the timeout."""


class NotFoundError(ServiceError):
    """No such instance, index or version."""

    exit_code = 2


class AlreadyExistsError(ServiceError):
    """What was to be made is there."""


class PermissionDeniedError(ServiceError):
    """Not allowed."""


class ResourceExhaustedError(ServiceError):
    """The server is overloaded, or a message is over its limit."""


class FailedPreconditionError(ServiceError):
    """The index or the server lacks what the request needs."""

    exit_code = 2


class AbortedError(ServiceError):
    """The version changed under a listing."""


class OutOfRangeError(ServiceError):
    """Past the end."""

    exit_code = 2


class UnimplementedError(ServiceError):
    """The server does not have this call."""


class InternalError(ServiceError):
    """A fault of the server; its log has the details."""


class UnavailableError(ServiceError):
    """No server there, or it went away."""


class DataLossError(ServiceError):
    """The index is damaged."""


class UnauthenticatedError(ServiceError):
    """The server does not know who asks."""


ERRORS: dict[grpc.StatusCode, type[ServiceError]] = {
    grpc.StatusCode.CANCELLED: CancelledError,
    grpc.StatusCode.UNKNOWN: UnknownError,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgumentError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExistsError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhaustedError,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPreconditionError,
    grpc.StatusCode.ABORTED: AbortedError,
    grpc.StatusCode.OUT_OF_RANGE: OutOfRangeError,
    grpc.StatusCode.UNIMPLEMENTED: UnimplementedError,
    grpc.StatusCode.INTERNAL: InternalError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.DATA_LOSS: DataLossError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
}


def from_rpc(error: Any, target: str) -> ServiceError:
    """The exception for a failed call; `target` is named where the server could not be reached."""
    reason, fields = details_of(error)
    message = error.details() or error.code().name
    if error.code() == grpc.StatusCode.UNAVAILABLE and not reason:
        message = f"no attridex server answers at {target} ({message}); start one with `attridex serve INDEX`"
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED and not reason:
        message = f"no answer from {target} within the timeout"
    return ERRORS.get(error.code(), UnknownError)(message, reason, fields)


def from_failure(code: int, reason: str, message: str) -> ServiceError:
    """The exception for one failed request of a stream."""
    kinds = {status.value[0]: kind for status, kind in ERRORS.items()}
    return kinds.get(code, UnknownError)(message, reason)


def details_of(error: Any) -> tuple[str, dict[str, str]]:
    """Reason and field violations of a status's details."""
    metadata = dict(error.trailing_metadata() or ())
    status = status_pb2.Status()
    if DETAILS_KEY in metadata:
        status.ParseFromString(metadata[DETAILS_KEY])
    reason, fields = "", {}
    for detail in status.details:
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            reason = info.reason
        elif detail.Unpack(bad):
            fields = {violation.field: violation.description for violation in bad.field_violations}
    return reason, fields
