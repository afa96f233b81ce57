"""Many requests at once, each answered when it is done, with a bounded number under way."""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from attridex.service.caller import Checkpoint
from attridex.service.calls.stream import IN_FLIGHT

WORKERS = 4
"""Threads that answer the requests of one stream."""
POLL_SECONDS = 0.05
"""How often a stream that waits looks whether it is still wanted."""

Request = TypeVar("Request")
Response = TypeVar("Response")


@dataclass(frozen=True)
class End:
    """No more requests: how many there were, and what ended them if that was an error."""

    count: int
    error: Exception | None


def answered(
    requests: Iterator[Request], answer: Callable[[Request], Response], check: Checkpoint, in_flight: int = IN_FLIGHT
) -> Iterator[Response]:
    """Answers in the order of completion.

    Requests are read by a thread of their own: a caller may wait for an answer before it makes its next request, and one
    whose requests wait for its answers to be taken never waits for itself.

    Args:
        requests: read one at a time, at most `in_flight` ahead of the answers that were taken.
        answer: answers one request; what it raises ends the stream.
        check: raises once the caller has gone.
        in_flight: requests read and not yet answered, at most.

    Raises:
        Exception: what `requests` or `check` raised.
    """
    finished: queue.SimpleQueue[Future[Response] | End] = queue.SimpleQueue()
    room = threading.Semaphore(in_flight)
    stopped = threading.Event()
    pool = ThreadPoolExecutor(WORKERS, "stream")

    def read() -> None:
        count, error = 0, None
        try:
            while room.acquire() and not stopped.is_set():
                pool.submit(answer, next(requests)).add_done_callback(finished.put)
                count += 1
        except StopIteration:
            pass
        except Exception as raised:
            error = raised
        finished.put(End(count, error))

    # A daemon: the requests of a caller in this process may never come.
    threading.Thread(target=read, name="stream-reader", daemon=True).start()
    try:
        for done in taken(finished, check):
            yield done.result()
            room.release()
    finally:
        stopped.set()
        room.release()
        pool.shutdown(wait=True, cancel_futures=True)


def taken(finished: "queue.SimpleQueue[Future[Response] | End]", check: Checkpoint) -> Iterator[Future[Response]]:
    """Finished work until all of it was taken."""
    given, count = 0, None
    while given != count:
        item: Future[Response] | End | None = None
        with suppress(queue.Empty):
            item = finished.get(timeout=POLL_SECONDS)
        check()  # after the wait, so that nothing is given once the deadline has passed
        if item is None:
            continue
        if isinstance(item, End):
            if item.error is not None:
                raise item.error
            count = item.count
        else:
            given += 1
            yield item
