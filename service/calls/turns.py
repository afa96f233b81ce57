"""Threads that clients get in turn: who asks for much waits for itself, not others for it."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from attridex.service.errors import OverloadedError
from attridex.service.shares import Shares

WAITING = 32
"""Calls that may wait, for each thread."""
Result = TypeVar("Result")


class Turns:
    """A bounded pool of threads for the calls of many clients; used from one event loop.

    A client has at most a quarter of the threads, less where others ask too, so that a newcomer finds one free. What it asks
    beyond that waits in its own queue, and the queues are served in turn.
    """

    def __init__(self, threads: int, name: str, calls: int = 8) -> None:
        """`name` is what the threads are called, `calls` how many of one client are worked on at once at most."""
        self.threads, self._calls = threads, calls
        self._pool = ThreadPoolExecutor(threads, name)
        self.name = name
        self._busy: Counter[str] = Counter()
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._waiting = Shares(WAITING * threads)

    async def run(self, client: str, work: Callable[[], Result]) -> Result:
        """What `work` gives, run in a thread when it is the client's turn; it runs on where the caller of this is cancelled.

        Raises:
            OverloadedError: more of the client's calls wait than its share.
        """
        await self._turn(client)
        loop = asyncio.get_running_loop()
        try:
            future = self._pool.submit(work)
        except RuntimeError:
            self._free(client)
            raise
        future.add_done_callback(lambda _: _soon(loop, self._free, client))
        result = asyncio.wrap_future(future)
        result.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to look at it
        return await asyncio.shield(result)

    @property
    def busy(self) -> int:
        """Calls that are worked on."""
        return sum(list(self._busy.values()))  # asked for by any thread

    @property
    def waiting(self) -> int:
        """Calls that wait for their turn."""
        return self._waiting.held

    def close(self) -> None:
        """Take no more work."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _most(self, client: str) -> int:
        """Calls of a client that may be worked on now."""
        clients = len({*self._busy, *self._queues, client})
        return max(1, min(self._calls, self.threads // (4 * clients)))

    def _may_start(self, client: str) -> bool:
        return self.busy < self.threads and self._busy[client] < self._most(client)

    async def _turn(self, client: str) -> None:
        if client not in self._queues and self._may_start(client):
            self._busy[client] += 1
            return
        if not self._waiting.take(client, 1):
            raise OverloadedError(f"{self._waiting.held} calls wait for the server's {self.name} threads; try again", retry=1.0)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(client, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._free(client)  # it was given, and is not taken
            raise
        finally:
            self._waiting.give_back(client, 1)

    def _free(self, client: str) -> None:
        """Give a thread back, and to those whose turn it is."""
        self._busy[client] -= 1
        if not self._busy[client]:
            del self._busy[client]
        while self._next():
            pass

    def _next(self) -> bool:
        """Start the next call that may be, of the client that waited longest for one; whether there was one."""
        for client in list(self._queues):
            queue = self._queues[client]
            while queue and queue[0].done():
                queue.popleft()
            if queue and self._may_start(client):
                self._busy[client] += 1
                queue.popleft().set_result(None)
                self._queues.move_to_end(client)
                if not queue:
                    del self._queues[client]
                return True
            if not queue:
                del self._queues[client]
        return False


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[[str], None], client: str) -> None:
    """Have the loop call a function, unless it has ended."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(call, client)
