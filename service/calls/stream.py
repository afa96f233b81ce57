"""A stream of requests on the event loop: each answered when it is done, a bounded number under way, no thread while none is."""

import asyncio
from collections.abc import Awaitable, Callable

from attridex.service.calls.live import Activity, LiveCall

IN_FLIGHT = 8
"""Requests that are read and not yet answered; no more are read meanwhile."""
Reading = asyncio.Task[bytes | None]


class LiveStream:
    """Requests and answers of one call."""

    def __init__(self, call: LiveCall, answer: Callable[[bytes], Awaitable[bytes]], activity: Activity) -> None:
        """Answer a call.

        Args:
            call: its stream.
            answer: answers one request; what it raises ends the stream.
            activity: counts what is under way.
        """
        self._call, self._answer, self._activity = call, answer, activity
        self._under_way: set[asyncio.Task[None]] = set()
        self._writing = asyncio.Lock()

    async def run(self) -> None:
        """Answer until there are no more requests, and all are answered.

        Raises:
            StoppingError: the server reads no more.
            LimitError: the client has too many streams.
        """
        with self._call.streaming():
            reading: Reading | None = self._call.reading()
            try:
                while reading or self._under_way:
                    reading = await self._step(reading)
            finally:
                for task in self._under_way:
                    task.cancel()

    async def _step(self, reading: Reading | None) -> Reading | None:
        """Wait for something to happen: a request, or an answer that was taken; gives what is being read from now on."""
        awaited: set[asyncio.Task[None] | Reading] = set(self._under_way)
        if reading and len(awaited) < IN_FLIGHT and not (awaited and self._activity.stopped.done()):
            awaited.add(reading)
        done = await self._call.waited(awaited, idle=not self._under_way)
        for task in [task for task in self._under_way if task in done]:
            self._under_way.remove(task)
            task.result()
        if reading is None or reading not in done:
            return reading
        data = reading.result()
        if data is None:
            return None
        self._under_way.add(asyncio.ensure_future(self._answered(data)))
        return self._call.reading()

    async def _answered(self, data: bytes) -> None:
        """Answer one request."""
        with self._activity.working():
            answer = await self._answer(data)
            async with self._writing:
                await self._call.write(answer)
