"""Work beside the caller's own, in threads: what is read ahead of it, and what is written behind it, each in its order."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain, islice
from queue import SimpleQueue
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")
U = TypeVar("U")
FIRST, CHUNK, CHUNKS = 512, 32, 2
"""Items that are done without threads, items that a thread takes at once, and chunks that wait for each thread."""


class Taken(Iterator[list[T]]):
    """Items in chunks; an error of theirs ends them, and waits until what stands before it is done.

    Attributes:
        error: that error.
    """

    def __init__(self, items: Iterator[T], size: int) -> None:
        """`size` of a chunk."""
        self._items, self._size = items, size
        self.error: Exception | None = None

    def __next__(self) -> list[T]:
        """The next ones."""
        chunk: list[T] = []
        try:
            for item in islice(self._items, self._size):
                chunk.append(item)
        except Exception as error:
            self.error, self._items = error, iter(())
        if not chunk:
            raise StopIteration
        return chunk


def in_order(items: Iterable[T], own: Callable[[T], U], make: Callable[[], Callable[[T], U]], threads: int) -> Iterator[U]:
    """What comes of items, in their order; an error among them comes where it stands.

    Args:
        items: of any number.
        own: what is done with each, here: with the first ones, and with all where there is one thread.
        make: makes the same for a thread, which shares nothing with the others; is called here, one after the other, since
            models and tokenizers are made by libraries that change global state meanwhile.
        threads: how many.
    """
    rest = iter(items)
    yield from map(own, islice(rest, FIRST))
    if threads < 2:
        yield from map(own, rest)
        return
    taken, waiting = Taken(rest, CHUNK), deque[Future[list[U]]]()
    chunks = [*islice(taken, 1)]
    free, local = SimpleQueue[Callable[[T], U]](), threading.local()
    for _ in range(threads if chunks else 0):
        free.put(make())

    def begin() -> None:
        local.work = free.get_nowait()

    def done(chunk: list[T]) -> list[U]:
        return [local.work(item) for item in chunk]

    pool = ThreadPoolExecutor(threads, "reader", begin)
    try:
        for chunk in chain(chunks, taken):
            waiting.append(pool.submit(done, chunk))
            if len(waiting) > threads * CHUNKS:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
    if taken.error:
        raise taken.error


@contextmanager
def prefetched(items: Iterator[T]) -> Iterator[Iterator[T]]:
    """The same items, the next of which is made in a thread while one is worked on."""

    def following() -> Iterator[T]:
        waiting = pool.submit(some)
        while found := waiting.result():
            waiting = pool.submit(some)
            yield from found

    def some() -> list[T]:
        return list(islice(items, 1))

    with ThreadPoolExecutor(1, "reader") as pool:
        yield following()


class Behind:
    """Does work in a thread while the next is prepared; at most one waits, and an error comes with the next, or at the end."""

    def __init__(self) -> None:
        """Nothing is begun."""
        self._pool, self._last = ThreadPoolExecutor(1, "writer"), list[Future[object]]()

    def __call__(self, work: Callable[[], object]) -> None:
        """Wait for the work before, and begin this."""
        self._wait()
        self._last = [self._pool.submit(work)]

    def _wait(self) -> None:
        for each in self._last:
            each.result()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Wait for what was begun; its error counts where there is no other."""
        self._pool.shutdown()
        if kind is None:
            self._wait()
