"""The error catalogue: every failure that a caller can meet, with the reason that the wire carries.

The servicer turns `ServiceError` into a gRPC status in one place; nothing here knows of gRPC.
"""

from attridex.indexer.errors import AttridexError


class ServiceError(AttridexError):
    """Base: `code` is the gRPC status name, `reason` the stable ErrorInfo reason."""

    code, reason = "INTERNAL", "INTERNAL"

    def __init__(self, message: str, field: str = "") -> None:
        """`message` says what is wrong and what would be right; `field` is the request's field, if one is to blame."""
        super().__init__(message)
        self.field = field


class InvalidArgumentError(ServiceError):
    """A request that can never be answered as it is."""

    code, reason = "INVALID_ARGUMENT", "INVALID_ARGUMENT"
    exit_code = 2


class UnknownInstanceError(ServiceError):
    """An instance id that the index does not hold."""

    code, reason = "NOT_FOUND", "UNKNOWN_INSTANCE"
    exit_code = 2


class UnknownIndexError(ServiceError):
    """An index name or version that the server does not serve."""

    code, reason = "NOT_FOUND", "UNKNOWN_INDEX"
    exit_code = 2


class NotIndexedError(ServiceError):
    """The index was built without what the request needs (neurons, a curvature)."""

    code, reason = "FAILED_PRECONDITION", "NOT_INDEXED"
    exit_code = 2


class ModelRequiredError(ServiceError):
    """The request needs the model, and the server was started without one."""

    code, reason = "FAILED_PRECONDITION", "MODEL_REQUIRED"


class VersionGoneError(ServiceError):
    """A page token of a version that is no longer on disk, or was replaced long ago."""

    code, reason = "ABORTED", "VERSION_GONE"


class OverloadedError(ServiceError):
    """More waits than may; `retry` says after how many seconds it may be otherwise."""

    code, reason = "RESOURCE_EXHAUSTED", "OVERLOADED"

    def __init__(self, message: str, field: str = "", retry: float = 1.0) -> None:
        """`retry` in seconds."""
        super().__init__(message, field)
        self.retry = retry


class LimitError(ServiceError):
    """A request or answer over a limit of the server that GetIndex tells: trying again does not help."""

    code, reason = "RESOURCE_EXHAUSTED", "LIMIT"
    exit_code = 2


class UnauthenticatedError(ServiceError):
    """The server serves those whom it knows: no token, an unknown one, or a certificate with another name."""

    code, reason = "UNAUTHENTICATED", "UNAUTHENTICATED"


class RoleError(ServiceError):
    """Who asks is known, and has another role than the call needs."""

    code, reason = "PERMISSION_DENIED", "ROLE"


class IndexDeniedError(ServiceError):
    """Who asks may ask other indices than this one."""

    code, reason = "PERMISSION_DENIED", "INDEX"


class StoppingError(ServiceError):
    """The server is about to end."""

    code, reason = "UNAVAILABLE", "STOPPING"


class ShardsError(ServiceError):
    """A group of shards gives no answer, and the request asks for one of all shards."""

    code, reason = "UNAVAILABLE", "SHARDS"


class AuditError(ServiceError):
    """The audit cannot be written, so that nothing is changed; the server's disk may be full."""

    code, reason = "UNAVAILABLE", "AUDIT_FAILED"


class MachineError(ServiceError):
    """The server's machine refuses what is needed: a disk is full, read-only or away; the message says which."""

    code, reason = "FAILED_PRECONDITION", "MACHINE"


class CancelledError(ServiceError):
    """The caller went away while work was under way."""

    code, reason = "CANCELLED", "CANCELLED"


class DeadlineError(CancelledError):
    """The caller's deadline passed while work was under way."""

    code, reason = "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"


class BusyIndexError(ServiceError):
    """Another process is writing to the index."""

    code, reason = "ABORTED", "BUSY"


class DamagedIndexError(ServiceError):
    """Index files are not what was written."""

    code, reason = "DATA_LOSS", "DAMAGED_INDEX"
