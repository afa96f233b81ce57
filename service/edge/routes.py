"""Which method is answered by what: the servicers' methods in threads, apart where they may wait for the model."""

import asyncio
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from threading import Lock
from typing import Any, NamedTuple

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.wrappers_pb2 import UInt64Value

from attridex.service.answering.served import Session
from attridex.service.caller import Waiter
from attridex.service.calls.live import Activity, Behaviour, LiveCall
from attridex.service.calls.status import failure
from attridex.service.calls.stream import LiveStream
from attridex.service.calls.turns import Turns
from attridex.service.calls.wire import parsed
from attridex.service.edge.bounds import check_answer, check_lengths
from attridex.service.edge.servicer import AttributionServicer
from attridex.service.errors import InvalidArgumentError, LimitError, OverloadedError
from attridex.service.operations.witness import Witness
from attridex.service.shares import Shares
from attridex.v1 import attribution_pb2 as pb
from attridex.v1.limits import Limits

SIGNED = ("PredictRequest", "ComputeSignatureRequest")
"""Requests whose queries are all put to the model."""


class Pools(NamedTuple):
    """Threads: of calls that need no model, of those that may wait for it, and of administration, which may take hours."""

    lookups: Turns
    model: Turns
    administration: Turns


class Routes:
    """Answers calls of servicers in threads.

    Attributes:
        pools: the threads.
    """

    def __init__(self, pools: Pools, activity: Activity, limits: Limits, witness: Witness) -> None:
        """Answer by these.

        Args:
            pools: the threads.
            activity: what is under way.
            limits: of requests under way, and of answers.
            witness: is told what administrators ask.
        """
        self.pools, self._activity, self._limits, self._witness = pools, activity, limits, witness
        self._bytes = Shares(max(limits.waiting_bytes, limits.request_bytes))

    def unary(self, service: ServiceDescriptor, servicer: Any, *, changes: bool = False) -> dict[str, Behaviour]:
        """What answers the unary methods of a service; `changes` where each of them is told before it is done."""
        return {
            f"/{service.full_name}/{method.name}": partial(
                self._unary, GetMessageClass(method.input_type), getattr(servicer, method.name), changes
            )
            for method in service.methods
            if not (method.client_streaming or method.server_streaming)
        }

    def blocks(self, kind: type[Message], answer: Callable[[Any, Waiter], Iterator[Message]]) -> Behaviour:
        """What answers a call whose answer comes in blocks: each is made once the one before it was taken."""

        async def behaviour(call: LiveCall) -> None:
            data = await self._request(call)
            with self._activity.streaming(call.client, self._limits.streams), self._activity.working(), self._holding(call, data):
                message = self._within(parsed(kind, data, self._limits.message_fields))
                steps, turns = Steps(answer(message, call.waiter)), self._turns(message)
                try:
                    while (block := await self._run(call, turns, steps.next)) is not None:
                        turns = self.pools.lookups  # the queries are ready
                        await call.write(block)
                finally:  # a step may be under way, for which the loop does not wait
                    asyncio.get_running_loop().run_in_executor(None, steps.close)

        return behaviour

    def stream(self, servicer: AttributionServicer) -> Behaviour:
        """What answers AttributeStream."""

        async def behaviour(call: LiveCall) -> None:
            session = Session()

            async def answer(data: bytes) -> bytes:
                sequence = parsed(UInt64Value, data).value  # both have it as field 1; the rest is read once it may be
                try:
                    call.count()
                    with self._holding(call, data):
                        message = parsed(pb.AttributeStreamRequest, data, self._limits.message_fields)
                        kind = message.WhichOneof("request")
                        asked = self._within(getattr(message, kind) if kind else message)
                        work = partial(servicer.answer_streamed, session, message, call.waiter)
                        return await self._answer(call, self._turns(asked), work)
                except (InvalidArgumentError, LimitError, OverloadedError) as error:
                    return pb.AttributeStreamResponse(sequence=sequence, error=failure(error)).SerializeToString()

            try:
                await LiveStream(call, answer, self._activity).run()
            finally:  # versions may have to be closed, which is no work for the loop
                asyncio.get_running_loop().run_in_executor(None, session.close)

        return behaviour

    async def _unary(self, kind: type[Message], answer: Callable[[Any, Waiter], Message], changes: bool, call: LiveCall) -> None:
        data = await self._request(call)
        with self._activity.working(), self._holding(call, data):
            message = self._within(parsed(kind, data, self._limits.message_fields))
            turns = self.pools.administration if changes else self._turns(message)

            def work() -> Message:
                if changes:
                    self._witness.change(call.facts, MessageToDict(message, preserving_proto_field_name=True))
                return answer(message, call.waiter)

            await call.write(await self._answer(call, turns, work))

    @staticmethod
    async def _request(call: LiveCall) -> bytes:
        """The only message of a call.

        Raises:
            InvalidArgumentError: there is none.
        """
        data = await call.read()
        if data is None:
            raise InvalidArgumentError("the call ended without a request")
        call.count()
        return data

    def _within(self, asked: Message) -> Message:
        """A request, none of whose lengths is over the limits: no more is done with one of which some are, and its bytes go.

        Raises:
            InvalidArgumentError: one is.
        """
        check_lengths(asked, self._limits)
        return asked

    def _turns(self, asked: Message) -> Turns:
        """The threads for a request."""
        return self.pools.model if may_need_model(asked) else self.pools.lookups

    @contextmanager
    def _holding(self, call: LiveCall, data: bytes) -> Iterator[None]:
        """A request is held for the block.

        Raises:
            OverloadedError: all requests have more bytes than may be held, and the client's more than its share.
        """
        client = call.client  # it may be another once the call is admitted anew
        if not self._bytes.take(client, len(data)):
            raise OverloadedError(f"requests of {self._bytes.held} bytes are under way; try again", retry=1.0)
        try:
            yield
        finally:
            self._bytes.give_back(client, len(data))

    async def _answer(self, call: LiveCall, turns: Turns, work: Callable[[], Message]) -> bytes:
        """The bytes of an answer, which `work` gives, in a thread."""
        return await self._run(call, turns, work) or b""

    async def _run(self, call: LiveCall, turns: Turns, work: Callable[[], Message | None]) -> bytes | None:
        """The bytes of what `work` gives, in a thread; None where that is nothing."""
        call.admit()

        def answered() -> bytes | None:
            call.waiter.check()
            answer = work()
            if answer is None:
                return None
            check_answer(answer.ByteSize(), self._limits)
            return answer.SerializeToString()

        return await turns.run(call.client, partial(copy_context().run, answered))


class Steps:
    """An iterator whose items are made in threads, one at a time, and which any thread may close."""

    def __init__(self, items: Iterator[Message]) -> None:
        """Nothing made yet."""
        self._items, self._lock, self._closed = items, Lock(), False

    def next(self) -> Message | None:
        """The next item; None after the last one, and once it is closed."""
        with self._lock:
            return None if self._closed else next(self._items, None)

    def close(self) -> None:
        """Make no more, once what is under way is done."""
        with self._lock:
            self._closed = True
            if isinstance(self._items, Generator):
                self._items.close()


def may_need_model(request: Any) -> bool:
    """Whether a request may have to wait for the model; where in doubt, it may."""
    if request.DESCRIPTOR.name in SIGNED or (request.DESCRIPTOR.name == "AttributeNeuronsRequest" and request.method):
        return True
    return any(each.HasField("record") or each.record_json or each.output for each in getattr(request, "queries", ()))
