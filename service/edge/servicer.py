"""The thin edge: decode, answer, encode. Errors are raised as they are; `status` turns them into gRPC statuses."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

from attridex.indexer.errors import nearest
from attridex.service.answering.served import ServedIndex, Session
from attridex.service.caller import Caller, Waiter
from attridex.service.calls.status import failure
from attridex.service.edge.bounds import check_request
from attridex.service.edge.observed import observed
from attridex.service.edge.stream import answered
from attridex.service.errors import CancelledError, InvalidArgumentError, UnknownIndexError
from attridex.service.operations.witness import Witness
from attridex.v1 import attribution_pb2 as pb
from attridex.v1 import attribution_pb2_grpc
from attridex.v1.limits import Limits
from attridex.v1.rpcs import INDEX, RPCS, STREAMED, Rpc


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

    def name(self, asked: str) -> str:
        """What an index that is there is called: the only one may go unnamed."""
        return asked or next(iter(self._indexes))

    def all(self) -> list[ServedIndex]:
        """Every index."""
        return list(self._indexes.values())


class AttributionServicer(attribution_pb2_grpc.AttributionServiceServicer):
    """attridex.v1.AttributionService; the calls of `RPCS` are all answered in the same way."""

    def __init__(self, indexes: Indexes, limits: Limits | None = None, witness: Witness | None = None) -> None:
        """Answer from these indices what is within the limits, whatever is asked where there are none; tell of each request."""
        self._indexes, self._limits, self._witness = indexes, limits, witness or Witness()
        for rpc in RPCS.values():
            setattr(self, rpc.name, partial(self._answer, rpc))

    def _answer(self, rpc: Rpc, message: Any, context: Waiter) -> Any:
        """Answer a request of any kind."""
        with observed(self._witness, rpc.name) as told:
            index, request = self._indexes.get(message.index), self._read(rpc, message)
            told.asked(self._indexes.name(message.index), request)
            answer = index.answer(request, context.check, context.client)
            told.answered(answer)
            return rpc.answer.encode(answer)

    def _read(self, rpc: Rpc, message: Any) -> Any:
        """A request in its plain form, once it was seen to be within the limits."""
        request = rpc.request.decode(message)
        if self._limits:
            check_request(request, self._limits)
        return request

    def _described(self, index: ServedIndex) -> pb.IndexInfo:
        """What is told of an index."""
        info: pb.IndexInfo = INDEX.encode(replace(index.describe(), limits=self._limits))
        return info

    def ListIndexes(self, request: pb.ListIndexesRequest, context: Waiter) -> pb.ListIndexesResponse:
        """All indices."""
        return pb.ListIndexesResponse(indexes=map(self._described, self._indexes.all()))

    def GetIndex(self, request: pb.GetIndexRequest, context: Waiter) -> pb.GetIndexResponse:
        """One index."""
        return pb.GetIndexResponse(index=self._described(self._indexes.get(request.index)))

    def AttributeStream(
        self, request_iterator: Iterator[pb.AttributeStreamRequest], context: Waiter
    ) -> Iterator[pb.AttributeStreamResponse]:
        """Answer requests as they come, each when it is done, with a bounded number in flight, all from one version."""
        with closing(Session()) as session:
            yield from answered(request_iterator, lambda message: self.answer_streamed(session, message, context), context.check)

    def answer_streamed(
        self, session: Session, message: pb.AttributeStreamRequest, context: Waiter
    ) -> pb.AttributeStreamResponse:
        """The answer to one request of a stream, which may be its failure, from the version that the stream began with.

        Raises:
            CancelledError: the caller has gone, or the stream's deadline passed: that ends the stream, not this request alone.
        """
        kind = message.WhichOneof("request")
        try:
            if kind is None:
                raise InvalidArgumentError("the stream's request is empty", "request")
            rpc, asked = STREAMED[kind], getattr(message, kind)
            with observed(self._witness, rpc.name, streamed=True) as told:
                index, request = self._indexes.get(asked.index), self._read(rpc, asked)
                told.asked(self._indexes.name(asked.index), request)
                found = session.answer(index, request, Caller(context.check, client=context.client))
                told.answered(found)
                answer: Any = {kind: rpc.answer.encode(found)}
                return pb.AttributeStreamResponse(sequence=message.sequence, **answer)
        except CancelledError:
            raise
        except Exception as error:
            return pb.AttributeStreamResponse(sequence=message.sequence, error=failure(error))
