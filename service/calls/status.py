"""From the error catalogue to gRPC statuses with details; the unknown becomes a bland INTERNAL, its details only logged."""

import logging
import re
import uuid

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from attridex.indexer.errors import AttridexError, BusyError, DamageError, InputError
from attridex.service.calls.places import without_places
from attridex.service.errors import (
    BusyIndexError,
    DamagedIndexError,
    InvalidArgumentError,
    MachineError,
    OverloadedError,
    ServiceError,
)
from attridex.v1 import attribution_pb2 as pb
from attridex.v1.errors import UsageError

DOMAIN = "attridex"
HEAD_BYTES, TAIL_BYTES = 700, 250
"""What is kept of a message. It travels three times in the trailing metadata, escaped to up to three times its size, and gRPC
may refuse more than 8 KiB of that: a longer message would reach the caller as another error."""
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""What would break a line, or a terminal: a message may hold what a client sent."""
CATALOGUED: dict[type[Exception], type[ServiceError]] = {
    UsageError: InvalidArgumentError, InputError: InvalidArgumentError,
    DamageError: DamagedIndexError, BusyError: BusyIndexError, AttridexError: MachineError,
}  # fmt: skip
"""What others raise, as callers meet it."""
log = logging.getLogger("attridex.service")


def catalogued(error: Exception) -> ServiceError:
    """The catalogue's error for any exception."""
    if isinstance(error, ServiceError):
        return error
    for kind, known in CATALOGUED.items():
        if isinstance(error, kind):
            if known is MachineError:
                log.error("%s", error)
            return known(str(error), getattr(error, "field", ""))
    number = uuid.uuid4().hex[:8]
    log.error("internal error %s", number, exc_info=error)
    return ServiceError(f"internal error {number}; the server's log has the details")


def code_of(error: Exception) -> str:
    """The name of the status that an error becomes."""
    if isinstance(error, ServiceError):
        return error.code
    return next((known.code for kind, known in CATALOGUED.items() if isinstance(error, kind)), ServiceError.code)


def shortened(message: str) -> str:
    """A message in one line that the trailing metadata can carry: beginning and end of it, where it is too long."""
    content = CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", message).encode(errors="replace")
    if len(content) <= HEAD_BYTES + TAIL_BYTES:
        return content.decode()
    return f"{content[:HEAD_BYTES].decode(errors='ignore')} ... {content[-TAIL_BYTES:].decode(errors='ignore')}"


def status(error: Exception) -> status_pb2.Status:
    """A google.rpc.Status with ErrorInfo, and BadRequest where a field is to blame."""
    known = catalogued(error)
    message = shortened(without_places(str(known)))
    details = [packed(error_details_pb2.ErrorInfo(reason=known.reason, domain=DOMAIN))]
    if known.field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=known.field, description=message)
        details.append(packed(error_details_pb2.BadRequest(field_violations=[violation])))
    if isinstance(known, OverloadedError):
        wait = duration_pb2.Duration()
        wait.FromMilliseconds(int(1000 * known.retry))
        details.append(packed(error_details_pb2.RetryInfo(retry_delay=wait)))
    return status_pb2.Status(code=code_pb2.Code.Value(known.code), message=message, details=details)


def packed(message: Message) -> any_pb2.Any:
    """A detail as the wire carries it."""
    holder = any_pb2.Any()
    holder.Pack(message)
    return holder


def failure(error: Exception) -> pb.Failure:
    """One request's failure inside a stream."""
    known = catalogued(error)
    return pb.Failure(code=code_pb2.Code.Value(known.code), reason=known.reason, message=shortened(without_places(str(known))))


CODES = {code.value[0]: code for code in grpc.StatusCode}
"""gRPC status by number."""
