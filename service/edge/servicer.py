"""The thin edge: decode, answer, encode. Errors are raised as they are; `status` turns them into gRPC statuses."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

from attridex.indexer.errors import nearest
from attridex.service.answering.served import ServedIndex, Session
from attridex.service.caller import Caller, Waiter
from attridex.service.calls.places import without_places
from attridex.service.calls.status import failure
from attridex.service.edge.bounds import check_request
from attridex.service.edge.observed import observed
from attridex.service.edge.stream import answered
from attridex.service.errors import CancelledError, InvalidArgumentError, UnknownIndexError
from attridex.service.operations.witness import Witness
from attridex.service.rights import Asker
from attridex.v1 import attribution_pb2 as pb
from attridex.v1 import attribution_pb2_grpc
from attridex.v1.limits import Limits
from attridex.v1.rpcs import INDEX, RANK, RPCS, STREAMED, Rpc


class Indexes:
    """The indices of a server, by name."""

    def __init__(self, indexes: Mapping[str, ServedIndex]) -> None:
        """At least one."""
        self._indexes = dict(indexes)

    def get(self, name: str, asker: Asker) -> ServedIndex:
        """The named index; the only one that the asker may ask where no name is given.

        Raises:
            InvalidArgumentError: no name, and several indices.
            UnknownIndexError: no such index.
            IndexDeniedError: the asker may not ask it.
        """
        allowed = {each: index for each, index in self._indexes.items() if asker.may_ask(each)}
        if not name and len(allowed) == 1:
            return next(iter(allowed.values()))
        if not name and allowed:
            raise InvalidArgumentError(f"index: this server has several; name one of {', '.join(sorted(allowed))}", "index")
        asker.check_index(name, self._indexes)
        if name not in allowed:
            raise UnknownIndexError(f"index: no index '{name}' here; {nearest(name, allowed)}", "index")
        return allowed[name]

    def name(self, asked: str, asker: Asker) -> str:
        """What an index that is there is called: the only one that may be asked may go unnamed."""
        return asked or next(name for name in self._indexes if asker.may_ask(name))

    def all(self, asker: Asker) -> list[ServedIndex]:
        """Every index that may be asked."""
        return [index for name, index in self._indexes.items() if asker.may_ask(name)]


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
            index, request = self._indexes.get(message.index, context.asker), self._read(rpc, message)
            told.asked(self._indexes.name(message.index, context.asker), request)
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
        told = index.describe()
        info: pb.IndexInfo = INDEX.encode(replace(told, limits=self._limits, problem=without_places(told.problem)))
        return info

    def ListIndexes(self, request: pb.ListIndexesRequest, context: Waiter) -> pb.ListIndexesResponse:
        """All indices that may be asked."""
        return pb.ListIndexesResponse(indexes=map(self._described, self._indexes.all(context.asker)))

    def GetIndex(self, request: pb.GetIndexRequest, context: Waiter) -> pb.GetIndexResponse:
        """One index."""
        return pb.GetIndexResponse(index=self._described(self._indexes.get(request.index, context.asker)))

    def RankInstances(self, request: pb.RankInstancesRequest, context: Waiter) -> Iterator[pb.RankInstancesResponse]:
        """A whole ranking, block by block."""
        with observed(self._witness, RANK.name) as told:
            index, asked = self._indexes.get(request.index, context.asker), self._read(RANK, request)
            told.asked(self._indexes.name(request.index, context.asker), asked)
            for block in index.rank(asked, context.check, context.client):
                told.answered(block)
                yield RANK.answer.encode(block)

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
                index, request = self._indexes.get(asked.index, context.asker), self._read(rpc, asked)
                told.asked(self._indexes.name(asked.index, context.asker), request)
                found = session.answer(index, request, Caller(context.check, client=context.client))
                told.answered(found)
                answer: Any = {kind: rpc.answer.encode(found)}
                return pb.AttributeStreamResponse(sequence=message.sequence, **answer)
        except CancelledError:
            raise
        except Exception as error:
            return pb.AttributeStreamResponse(sequence=message.sequence, error=failure(error))
