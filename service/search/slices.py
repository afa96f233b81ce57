"""Work in threads that many share: each piece runs for a moment, then goes to the end of the queue."""

import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

Result = TypeVar("Result")
Given = ParamSpec("Given")
Turns = Generator[None, None, Result]
"""Work in steps, between which others may have their turn."""
SLICE_SECONDS = 0.02
"""How long a piece of work runs before others have their turn."""


class Workers(ThreadPoolExecutor):
    """Threads that work in the context of whoever gives them something to do: `still_waited` there looks at its caller."""

    def submit(self, fn: Callable[Given, Result], /, *args: Given.args, **kwargs: Given.kwargs) -> "Future[Result]":
        """See `Executor`."""
        return super().submit(partial(copy_context().run, fn, *args, **kwargs))


def in_turn(pool: ThreadPoolExecutor, work: Turns[Result]) -> "Future[Result]":
    """What the work gives, done by the pool's threads in turn with what else they have to do."""
    done: Future[Result] = Future()

    def run() -> None:
        until = time.perf_counter() + SLICE_SECONDS
        try:
            next(work)
            while time.perf_counter() < until:
                next(work)
            pool.submit(run)
        except StopIteration as ended:
            done.set_result(ended.value)
        except BaseException as error:
            done.set_exception(error)

    pool.submit(run)
    return done
