"""A call under way on the event loop: its messages as bytes, each waited for no longer than patience lasts.

Every method is served as a stream, which on the wire is the same as a unary one: so a call whose message does not come, or
whose answer is not taken, costs no thread, and ends.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, status_pb2
from grpc_status import rpc_status

from attridex.service.caller import Waiter
from attridex.service.calls.sockets import hang_up
from attridex.service.calls.status import status
from attridex.service.errors import CancelledError, DeadlineError, InvalidArgumentError, StoppingError
from attridex.service.operations.witness import CALL, REQUEST_ID, CallFacts, Ending, Witness

UNREADABLE = "the request cannot be read: it is damaged, or nested more than 100 messages deep"
STOPPING = "the server is stopping; ask again"
log = logging.getLogger("attridex.calls")


@dataclass(frozen=True)
class Patience:
    """Seconds that a server waits for its clients.

    Attributes:
        idle: for a request, where nothing is under way.
        slow: for an answer to be taken; then the connection ends.
        longest: for a call that has no deadline of its own.
    """

    idle: float = 300.0
    slow: float = 60.0
    longest: float = 3600.0


class Activity:
    """What is under way, and whether more may begin.

    Attributes:
        stopped: done once nothing more may.
    """

    def __init__(self) -> None:
        """Nothing yet; made on the loop."""
        self.stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    @contextmanager
    def working(self) -> Iterator[None]:
        """The block is under way.

        Raises:
            StoppingError: nothing more may begin.
        """
        if self.stopped.done():
            raise StoppingError(STOPPING)
        self._count += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._quiet.set()

    def stop(self) -> None:
        """Let nothing more begin."""
        if not self.stopped.done():
            self.stopped.set_result(None)

    async def quiet(self) -> None:
        """Wait until nothing is under way."""
        await self._quiet.wait()


class LiveCall:
    """One call: read, answer, write.

    Attributes:
        client: who asks: the connection.
        waiter: whether it is still waited for, for the threads that work on it.
        facts: what those who run the server see of it.
    """

    def __init__(self, rpc: str, context: Any, patience: Patience, activity: Activity) -> None:
        """Begin; the clock of its deadline is running.

        Args:
            rpc: full name of the method.
            context: gRPC's.
            patience: with the client.
            activity: of the server.
        """
        self._context, self._patience, self._activity = context, patience, activity
        self.client = str(context.peer())
        self.facts = CallFacts.of(rpc, self.client, context.invocation_metadata() or (), proven(context))
        context.set_trailing_metadata(((REQUEST_ID, self.facts.request_id),))
        left = context.time_remaining()
        self.waiter = Waiter(patience.longest if left is None else min(left, patience.longest), self.client)

    async def read(self) -> bytes | None:
        """The next message; None after the last one.

        Raises:
            DeadlineError: none comes.
            StoppingError: none came before the server stops.
        """
        reading = self.reading()
        await self.waited({reading})
        return reading.result()

    def reading(self) -> "asyncio.Task[bytes | None]":
        """The next message, once it is there. It is never cancelled: gRPC writes where it said that it would read to."""
        return _task(self._read())

    async def waited(self, tasks: "Set[asyncio.Task[Any]]", *, idle: bool = True) -> "set[asyncio.Future[Any]]":
        """Those of some tasks that are done, once one is, or the server stops.

        Raises:
            DeadlineError: `idle`, and none is within the time that the server waits for a request.
            StoppingError: `idle`, and the server stops.
        """
        stopped = self._activity.stopped
        awaited = tasks if stopped.done() and not idle else {*tasks, stopped}
        done, _ = await asyncio.wait(awaited, timeout=self._patience.idle if idle else None, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            raise DeadlineError(f"no request came for {self._patience.idle:g} s")
        if idle and not done & tasks:
            raise StoppingError(STOPPING)
        return done

    async def _read(self) -> bytes | None:
        message = await self._context.read()
        return message if isinstance(message, bytes) else None  # else it is grpc.aio.EOF

    async def write(self, data: bytes) -> None:
        """Send a message; a client that does not take it loses its connection."""
        writing = _task(self._context.write(data))
        done, _ = await asyncio.wait({writing}, timeout=self._patience.slow)
        if not done:
            log.warning("%s takes no answers: its connection is ended", self.client)
            hang_up(self.client)
            raise CancelledError("the answer was not taken")
        writing.result()

    async def fail(self, error: status_pb2.Status) -> None:
        """End with the status of an error."""
        found = rpc_status.to_status(error)
        await self._context.abort(found.code, found.details, (*found.trailing_metadata, (REQUEST_ID, self.facts.request_id)))


def proven(context: Any) -> str:
    """The name in a client's certificate; empty where it has none."""
    names = context.auth_context().get("x509_common_name") or (b"",)
    return bytes(names[0]).decode(errors="replace")


def _task(work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
    """A task whose failure nobody need look at."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task


Behaviour = Callable[[LiveCall], Awaitable[None]]
"""What answers a call."""


class Methods(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """The methods of a server, each with what answers it; every error becomes a status here, and every call is logged."""

    def __init__(self, methods: Mapping[str, Behaviour], patience: Patience, activity: Activity, witness: Witness) -> None:
        """Handle methods.

        Args:
            methods: by full name: /package.Service/Method.
            patience: with clients.
            activity: of the server.
            witness: is told of every call.
        """
        self._methods, self._patience, self._activity, self._witness = dict(methods), patience, activity, witness

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """What handles a call; None where there is no such method."""
        behaviour = self._methods.get(handler_call_details.method)
        if behaviour is None:
            return None
        name = handler_call_details.method

        async def handle(_requests: Any, context: Any) -> None:
            await guarded(behaviour, LiveCall(name, context, self._patience, self._activity), self._witness)

        return grpc.stream_stream_rpc_method_handler(handle)


async def guarded(behaviour: Behaviour, call: LiveCall, witness: Witness) -> None:
    """Answer a call; whatever ends it ends the work on it, and is told."""
    began = time.perf_counter()
    code, message = "CANCELLED", ""  # where nobody waits any more
    CALL.set(call.facts)  # of this task, which gRPC made for the call
    witness.begin(call.facts)
    try:
        await behaviour(call)
        code = "OK"
    except Exception as error:
        found = status(error)
        code, message = code_pb2.Code.Name(found.code), found.message
        await call.fail(found)
    finally:
        call.waiter.end()
        witness.end(call.facts, Ending(code, message, time.perf_counter() - began))


def parsed(kind: type[Any], data: bytes) -> Any:
    """A message.

    Raises:
        InvalidArgumentError: the bytes are none.
    """
    try:
        return kind.FromString(data)
    except DecodeError:
        raise InvalidArgumentError(UNREADABLE) from None
