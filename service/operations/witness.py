"""Who sees calls and requests: the log, the audit, metrics and traces are all told the same."""

import uuid
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from attridex.v1.answers import Timings
from attridex.v1.rpcs import REQUEST_ID, is_request_id


@dataclass(frozen=True)
class CallFacts:
    """A call, as those who run the server see it.

    Attributes:
        rpc: its full name: /package.Service/Method.
        client: the connection.
        request_id: the client's x-request-id, or a random one where it gave none that is readable.
        identity: what the client has proven to be; empty where it has not.
        metadata: the call's, without its token.
        number: of this call alone, whatever ids clients give.
        notes: what a witness keeps until the call has ended.
    """

    rpc: str
    client: str
    request_id: str
    identity: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    number: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    notes: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, rpc: str, client: str, metadata: Iterable[tuple[str, "str | bytes"]], identity: str = "") -> "CallFacts":
        """A call with the metadata that it came with.

        Args:
            rpc: its full name.
            client: the connection.
            metadata: keys and values.
            identity: of the client.
        """
        said = {key: value for key, value in metadata if isinstance(value, str) and key != "authorization"}
        given = said.get(REQUEST_ID, "")
        return cls(rpc, client, given if is_request_id(given) else uuid.uuid4().hex, identity, said)


@dataclass(frozen=True)
class RequestFacts:
    """A request that was answered or refused: a unary call is one, a stream carries many.

    Attributes:
        rpc: name of the method, as AttributeInstances, also within a stream.
        index: its index; empty where there is no such index.
        method: of attribution; empty where there is none.
        code: of its status.
        seconds: from the time it was read by a thread until its answer was there.
        timings: what of that was spent where.
        streamed: whether it came in a stream.
    """

    rpc: str
    index: str
    method: str
    code: str
    seconds: float
    timings: Timings | None = None
    streamed: bool = False


@dataclass(frozen=True)
class Ending:
    """How a call ended: code and message of its status, and the seconds that it took, with its waits."""

    code: str
    message: str
    seconds: float


CALL: "ContextVar[CallFacts | None]" = ContextVar("CALL", default=None)
"""The call that a thread, or a task of the loop, works on."""


class Witness:
    """Sees what happens, and does nothing about it."""

    def begin(self, call: CallFacts) -> None:
        """A call has begun."""

    def change(self, call: CallFacts, asked: Mapping[str, Any]) -> None:
        """An administrator's request was read; what this raises refuses it."""

    def request(self, request: RequestFacts) -> None:
        """A request was answered or refused, within the call that `CALL` names."""

    def end(self, call: CallFacts, how: Ending) -> None:
        """A call has ended."""


class Witnesses(Witness):
    """Several."""

    def __init__(self, witnesses: Iterable[Witness]) -> None:
        """All are told, in this order."""
        self._all = tuple(witnesses)

    def begin(self, call: CallFacts) -> None:
        """See `Witness`."""
        for each in self._all:
            each.begin(call)

    def change(self, call: CallFacts, asked: Mapping[str, Any]) -> None:
        """See `Witness`."""
        for each in self._all:
            each.change(call, asked)

    def request(self, request: RequestFacts) -> None:
        """See `Witness`."""
        for each in self._all:
            each.request(request)

    def end(self, call: CallFacts, how: Ending) -> None:
        """See `Witness`."""
        for each in self._all:
            each.end(call, how)
