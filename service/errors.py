"""The error catalogue: every failure that a caller can meet, with the reason that the wire carries.

The servicer turns `ServiceError` into a gRPC status in one place; nothing here knows of gRPC.
"""

from attridex.indexer.errors import AttridexError


class ServiceError(AttridexError):
    """Base: `code` is the gRPC status name, `reason` the stable ErrorInfo reason."""

    code = "INTERNAL"
    reason = "INTERNAL"

    def __init__(self, message: str, field: str = "") -> None:
        """`message` says what is wrong and what would be right; `field` is the request's field, if one is to blame."""
        super().__init__(message)
        self.field = field


class InvalidArgumentError(ServiceError):
    """A request that can never be answered as it is."""

    code = "INVALID_ARGUMENT"
    reason = "INVALID_ARGUMENT"
    exit_code = 2


class UnknownInstanceError(ServiceError):
    """An instance id that the index does not hold."""

    code = "NOT_FOUND"
    reason = "UNKNOWN_INSTANCE"
    exit_code = 2


class UnknownIndexError(ServiceError):
    """An index name or version that the server does not serve."""

    code = "NOT_FOUND"
    reason = "UNKNOWN_INDEX"
    exit_code = 2


class NotIndexedError(ServiceError):
    """The index was built without what the request needs (neurons, a curvature)."""

    code = "FAILED_PRECONDITION"
    reason = "NOT_INDEXED"
    exit_code = 2


class ModelRequiredError(ServiceError):
    """The request needs the model, and the server was started without one."""

    code = "FAILED_PRECONDITION"
    reason = "MODEL_REQUIRED"


class VersionGoneError(ServiceError):
    """A page token of a version that is no longer on disk."""

    code = "ABORTED"
    reason = "VERSION_GONE"


class OverloadedError(ServiceError):
    """The model's queue is full."""

    code = "RESOURCE_EXHAUSTED"
    reason = "OVERLOADED"


class CancelledError(ServiceError):
    """The caller went away while work was under way."""

    code = "CANCELLED"
    reason = "CANCELLED"


class DeadlineError(CancelledError):
    """The caller's deadline passed while work was under way."""

    code = "DEADLINE_EXCEEDED"
    reason = "DEADLINE_EXCEEDED"


class BusyIndexError(ServiceError):
    """Another process is writing to the index."""

    code = "ABORTED"
    reason = "BUSY"


class DamagedIndexError(ServiceError):
    """Index files are not what was written."""

    code = "DATA_LOSS"
    reason = "DAMAGED_INDEX"
