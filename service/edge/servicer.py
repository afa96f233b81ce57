"""The thin edge: decode, answer, encode. Errors are raised as they are; `status` turns them into gRPC statuses."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import partial
from typing import Any, Protocol

from attridex.indexer.errors import nearest
from attridex.service.answering.served import ServedIndex, Session
from attridex.service.caller import Checkpoint
from attridex.service.edge.status import failure
from attridex.service.edge.stream import answered
from attridex.service.errors import CancelledError, DeadlineError, InvalidArgumentError, UnknownIndexError
from attridex.v1 import attribution_pb2 as pb
from attridex.v1 import attribution_pb2_grpc
from attridex.v1.rpcs import INDEX, RPCS, STREAMED, Rpc


class Context(Protocol):
    """What is needed of grpc.ServicerContext."""

    def is_active(self) -> bool:
        """Whether the caller still waits."""
        ...

    def time_remaining(self) -> float | None:
        """Seconds until the caller's deadline."""
        ...


def checkpoint(context: Context) -> Checkpoint:
    """A function that raises once the caller has gone or its deadline has passed."""

    def check() -> None:
        left = context.time_remaining()
        if left is not None and left <= 0:
            raise DeadlineError("the deadline passed before the answer was ready; give the call more time, or ask for less")
        if not context.is_active():
            raise CancelledError("the caller went away")

    return check


class Indexes:
    """The indices of a server, by name."""

    def __init__(self, indexes: Mapping[str, ServedIndex]) -> None:
        """At least one."""
        self._indexes = dict(indexes)

    def get(self, name: str) -> ServedIndex:
        """The named index; the only one where no name is given.

        Raises:
            InvalidArgumentError: no name, and several indices.
            UnknownIndexError: no such index.
        """
        if not name and len(self._indexes) == 1:
            return next(iter(self._indexes.values()))
        if not name:
            raise InvalidArgumentError(f"index: this server has several; name one of {', '.join(sorted(self._indexes))}", "index")
        if name not in self._indexes:
            raise UnknownIndexError(f"index: no index '{name}' here; {nearest(name, self._indexes)}", "index")
        return self._indexes[name]

    def all(self) -> list[ServedIndex]:
        """Every index."""
        return list(self._indexes.values())


class AttributionServicer(attribution_pb2_grpc.AttributionServiceServicer):
    """attridex.v1.AttributionService; the calls of `RPCS` are all answered in the same way."""

    def __init__(self, indexes: Indexes) -> None:
        """Answer from these indices."""
        self._indexes = indexes
        for rpc in RPCS.values():
            setattr(self, rpc.name, partial(self._answer, rpc))

    def _answer(self, rpc: Rpc, message: Any, context: Any) -> Any:
        """Answer a request of any kind."""
        index = self._indexes.get(message.index)
        return rpc.answer.encode(index.answer(rpc.request.decode(message), checkpoint(context)))

    def _streamed(self, session: Session, rpc: Rpc, message: Any, context: Any) -> Any:
        """Answer a request of a stream, from the version that the stream began with."""
        index = self._indexes.get(message.index)
        return rpc.answer.encode(session.answer(index, rpc.request.decode(message), checkpoint(context)))

    def ListIndexes(self, request: pb.ListIndexesRequest, context: Any) -> pb.ListIndexesResponse:
        """All indices."""
        return pb.ListIndexesResponse(indexes=[INDEX.encode(index.describe()) for index in self._indexes.all()])

    def GetIndex(self, request: pb.GetIndexRequest, context: Any) -> pb.GetIndexResponse:
        """One index."""
        return pb.GetIndexResponse(index=INDEX.encode(self._indexes.get(request.index).describe()))

    def AttributeStream(
        self, request_iterator: Iterator[pb.AttributeStreamRequest], context: Any
    ) -> Iterator[pb.AttributeStreamResponse]:
        """Answer requests as they come, each when it is done, with a bounded number in flight, all from one version."""
        session = Session()

        def answer(message: pb.AttributeStreamRequest) -> pb.AttributeStreamResponse:
            kind = message.WhichOneof("request")
            try:
                if kind is None:
                    raise InvalidArgumentError("the stream's request is empty", "request")
                answer: Any = {kind: self._streamed(session, STREAMED[kind], getattr(message, kind), context)}
                return pb.AttributeStreamResponse(sequence=message.sequence, **answer)
            except CancelledError:
                raise  # the caller has gone, or the stream's deadline passed: that ends the stream, not this request alone
            except Exception as error:
                return pb.AttributeStreamResponse(sequence=message.sequence, error=failure(error))

        with closing(session):
            yield from answered(request_iterator, answer, checkpoint(context))
