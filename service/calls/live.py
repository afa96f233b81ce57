"""A call under way on the event loop: its messages as bytes, each waited for no longer than patience lasts.

Every method is served as a stream, which on the wire is the same as a unary one: so a call whose message does not come, or
whose answer is not taken, costs no thread, and ends.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Set
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from typing import Any

import grpc
from google.rpc import code_pb2, status_pb2
from grpc_status import rpc_status

from attridex.service.caller import Waiter
from attridex.service.calls.clients import client_of
from attridex.service.calls.rates import Rates
from attridex.service.calls.sockets import hang_up
from attridex.service.calls.status import status
from attridex.service.errors import CancelledError, DeadlineError, LimitError, StoppingError
from attridex.service.operations.witness import CALL, CallFacts, Ending, Witness
from attridex.service.rights import EVERYBODY, Asker
from attridex.v1.limits import Limits
from attridex.v1.rpcs import REQUEST_ID

STOPPING = "the server is stopping; ask again"
log = logging.getLogger("attridex.calls")


class Activity:
    """What is under way, and whether more may begin.

    Attributes:
        stopped: done once nothing more may.
        rates: how often clients may ask.
    """

    def __init__(self, rate: float = 0.0) -> None:
        """Nothing yet; made on the loop. `rate` is requests a second of a client, 0 for any number."""
        self.rates = Rates(rate)
        self.stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count = 0
        self._streams: Counter[str] = Counter()
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

    @contextmanager
    def streaming(self, client: str, most: int) -> Iterator[None]:
        """The block is a stream of a client, which may have so many.

        Raises:
            LimitError: it has them already.
        """
        if self._streams[client] >= most:
            raise LimitError(f"{most} streams of this client are open, which is the most; end one first")
        self._streams[client] += 1
        try:
            yield
        finally:
            self._streams[client] -= 1
            if not self._streams[client]:
                del self._streams[client]

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
        client: who asks, among those that take turns: see `client_of`.
        waiter: whether it is still waited for, for the threads that work on it.
        who: gives who asks, looked up anew each time, so that what is revoked ends streams too.
        check: raises where somebody may not ask.
        facts: what those who run the server see of it.
    """

    def __init__(self, rpc: str, context: Any, limits: Limits, activity: Activity) -> None:
        """Begin; the clock of its deadline is running.

        Args:
            rpc: full name of the method.
            context: gRPC's.
            limits: of the server.
            activity: of the server.
        """
        self._context, self._limits, self._activity = context, limits, activity
        self._writing: asyncio.Task[None] | None = None
        self._peer = str(context.peer())
        self.who: Callable[[], Asker] = lambda: EVERYBODY
        self.check: Callable[[Asker], None] = lambda _asker: None
        self.facts = CallFacts.of(rpc, self._peer, context.invocation_metadata() or (), proven(context))
        self.client = client_of(self._peer, self.facts.identity)
        context.set_trailing_metadata(((REQUEST_ID, self.facts.request_id),))
        left = context.time_remaining()
        longest = limits.call_seconds
        self.waiter = Waiter(longest if left is None else min(left, longest), self.client)

    def streaming(self) -> AbstractContextManager[None]:
        """The call is a stream, which may take as long as its requests come; see `Activity.streaming`."""
        self.waiter = Waiter(self._context.time_remaining(), self.client)
        return self._activity.streaming(self.client, self._limits.streams)

    def watching(self) -> AbstractContextManager[None]:
        """The call watches health: counted apart, and by connection, since a machine's clients each watch for themselves."""
        self.waiter = Waiter(self._context.time_remaining(), self.client)
        return self._activity.streaming(f"watch:{self._peer}", self._limits.streams)

    def admit(self) -> None:
        """Know who asks, and go on only where they may; see `who` and `check` for what is raised."""
        asker = self.who()
        self.waiter.asker = replace(asker, name=asker.name or self.facts.identity)
        self.facts = replace(self.facts, identity=self.waiter.asker.name)
        self.client = self.waiter.client = client_of(self._peer, self.facts.identity)
        CALL.set(self.facts)
        self.check(asker)

    def count(self) -> None:
        """Count a request of the call.

        Raises:
            OverloadedError: its client asks more often than it may.
        """
        self._activity.rates.take(self.client)

    @property
    def authorization(self) -> list[str]:
        """What the client sent as `authorization`."""
        found = self._context.invocation_metadata() or ()
        return [str(value) for key, value in found if key == "authorization"]

    @property
    def certified(self) -> set[str]:
        """The names of the client's certificate, which gRPC has verified; none without one."""
        found = self._context.auth_context()
        kinds = ("x509_common_name", "x509_subject_alternative_name")
        return {name.decode(errors="replace") for kind in kinds for name in found.get(kind, ())}

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
        done, _ = await asyncio.wait(
            awaited, timeout=self._limits.idle_seconds if idle else None, return_when=asyncio.FIRST_COMPLETED
        )
        if not done:
            raise DeadlineError(f"no request came for {self._limits.idle_seconds:g} s")
        if idle and not done & tasks:
            raise StoppingError(STOPPING)
        return done

    async def _read(self) -> bytes | None:
        message = await self._context.read()
        return message if isinstance(message, bytes) else None  # else it is grpc.aio.EOF

    async def write(self, data: bytes) -> None:
        """Send a message; a client that does not take it loses its connection."""
        self._writing = _task(self._context.write(data))
        await self._written()
        self._writing.result()

    async def _written(self) -> None:
        """Wait for the end of what is being written: until then gRPC takes nothing else for the call, not even its status.

        Raises:
            CancelledError: the client does not take it.
        """
        if self._writing is None or self._writing.done():
            return
        done, _ = await asyncio.wait({self._writing}, timeout=self._limits.slow_seconds)
        if not done:
            what = "its connection is ended" if await hang_up(self._peer) else "its call waits for the end of its connection"
            log.warning("%s takes no answers: %s", self._peer, what)
            await asyncio.wait({self._writing})
            raise CancelledError("the answer was not taken")

    async def fail(self, error: status_pb2.Status) -> None:
        """End with the status of an error, once what another request of the call is answered with is written.

        Raises:
            asyncio.CancelledError: that failed, so nobody is there; gRPC takes no status then (grpcio 1.85).
        """
        with suppress(CancelledError):
            await self._written()
        if self._writing is not None and self._writing.exception():
            raise asyncio.CancelledError
        found = rpc_status.to_status(error)
        await self._context.abort(found.code, found.details, (*found.trailing_metadata, (REQUEST_ID, self.facts.request_id)))


def proven(context: Any) -> str:
    """The name in a client's certificate: the common name, or else the first alternative one; empty where it has none."""
    found = context.auth_context()
    names = found.get("x509_common_name") or found.get("x509_subject_alternative_name") or (b"",)
    return bytes(names[0]).decode(errors="replace")


def _task(work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
    """A task whose failure nobody need look at."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task


Handlers = dict[str, "grpc.RpcMethodHandler[Any, Any]"]
"""What gRPC calls for each method, by full name."""
Behaviour = Callable[[LiveCall], Awaitable[None]]
"""What answers a call."""


def handlers(
    methods: Mapping[str, Behaviour], limits: Limits, activity: Activity, witness: Witness
) -> "dict[str, grpc.RpcMethodHandler[Any, Any]]":
    """What gRPC calls for each method; every error becomes a status here, and every call is told.

    Args:
        methods: what answers each, by full name: /package.Service/Method.
        limits: of the server.
        activity: what is under way in it.
        witness: is told of every call.
    """

    def handler(name: str, behaviour: Behaviour) -> "grpc.RpcMethodHandler[Any, Any]":
        async def handle(_requests: Any, context: Any) -> None:
            await guarded(behaviour, LiveCall(name, context, limits, activity), witness)

        return grpc.stream_stream_rpc_method_handler(handle)

    return {name: handler(name, behaviour) for name, behaviour in methods.items()}


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
