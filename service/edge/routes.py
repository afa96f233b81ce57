"""Which method is answered by what: the servicers' methods in threads, apart where they may wait for the model."""

import asyncio
from collections.abc import Callable, Generator, Iterator
from contextvars import copy_context
from functools import partial
from threading import Lock
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from attridex.service.answering.served import Session
from attridex.service.caller import Waiter
from attridex.service.calls.live import Activity, Behaviour, LiveCall, parsed
from attridex.service.calls.status import failure
from attridex.service.calls.stream import LiveStream
from attridex.service.calls.turns import Turns
from attridex.service.edge.bounds import check_answer
from attridex.service.edge.servicer import AttributionServicer
from attridex.service.errors import InvalidArgumentError, LimitError, OverloadedError
from attridex.service.operations.witness import Witness
from attridex.v1 import attribution_pb2 as pb
from attridex.v1.limits import Limits

SIGNED = ("PredictRequest", "ComputeSignatureRequest")
"""Requests whose queries are all put to the model."""


class Routes:
    """Answers calls of servicers in threads.

    Attributes:
        lookups: threads of calls that need no model.
        model: threads of those that may wait for it.
        activity: what is under way.
        limits: of answers.
    """

    def __init__(self, lookups: Turns, model: Turns, activity: Activity, limits: Limits, witness: Witness) -> None:
        """Answer by these.

        Args:
            lookups: see the attributes.
            model: see the attributes.
            activity: see the attributes.
            limits: see the attributes.
            witness: is told what administrators ask.
        """
        self._witness = witness
        self.lookups, self.model, self.activity, self.limits = lookups, model, activity, limits

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
            message = parsed(kind, await self._request(call))
            with self.activity.streaming(call.client, self.limits.streams), self.activity.working():
                steps = Steps(answer(message, call.waiter))
                turns = self._turns(message)
                try:
                    while (block := await self._run(call, turns, steps.next)) is not None:
                        turns = self.lookups  # the queries are ready
                        await call.write(block)
                finally:  # a step may be under way, for which the loop does not wait
                    asyncio.get_running_loop().run_in_executor(None, steps.close)

        return behaviour

    def stream(self, servicer: AttributionServicer) -> Behaviour:
        """What answers AttributeStream."""

        async def behaviour(call: LiveCall) -> None:
            session = Session()

            async def answer(data: bytes) -> bytes:
                message = parsed(pb.AttributeStreamRequest, data)
                kind = message.WhichOneof("request")
                asked = getattr(message, kind) if kind else message
                try:
                    return await self._answer(call, asked, lambda: servicer.answer_streamed(session, message, call.waiter))
                except (LimitError, OverloadedError) as error:
                    return pb.AttributeStreamResponse(sequence=message.sequence, error=failure(error)).SerializeToString()

            try:
                await LiveStream(call, answer, self.activity).run()
            finally:  # versions may have to be closed, which is no work for the loop
                asyncio.get_running_loop().run_in_executor(None, session.close)

        return behaviour

    async def _unary(self, kind: type[Message], answer: Callable[[Any, Waiter], Message], changes: bool, call: LiveCall) -> None:
        message = parsed(kind, await self._request(call))
        with self.activity.working():

            def work() -> Message:
                if changes:
                    self._witness.change(call.facts, MessageToDict(message, preserving_proto_field_name=True))
                return answer(message, call.waiter)

            await call.write(await self._answer(call, message, work))

    @staticmethod
    async def _request(call: LiveCall) -> bytes:
        """The only message of a call.

        Raises:
            InvalidArgumentError: there is none.
        """
        data = await call.read()
        if data is None:
            raise InvalidArgumentError("the call ended without a request")
        return data

    def _turns(self, asked: Message) -> Turns:
        """The threads that answer a request."""
        return self.model if may_need_model(asked) else self.lookups

    async def _answer(self, call: LiveCall, asked: Message, work: Callable[[], Message]) -> bytes:
        """The bytes of the answer to a request, which `work` gives, in a thread."""
        return await self._run(call, self._turns(asked), work) or b""

    async def _run(self, call: LiveCall, turns: Turns, work: Callable[[], Message | None]) -> bytes | None:
        """The bytes of what `work` gives, in a thread; None where that is nothing."""
        call.admit()

        def answered() -> bytes | None:
            call.waiter.check()
            answer = work()
            if answer is None:
                return None
            check_answer(answer.ByteSize(), self.limits)
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
