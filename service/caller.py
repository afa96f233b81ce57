"""Whom an answer is for: whether it is still waited for, and the seconds spent on it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from attridex.v1.answers import Timings

Checkpoint = Callable[[], None]
"""Called between blocks of work; raises CancelledError once the caller has gone or its deadline has passed."""


def never_cancelled() -> None:
    """The checkpoint of a caller that waits."""


@dataclass
class Spent:
    """Seconds, summed up while a request is answered; see `Timings` for what they are."""

    queue: float = 0.0
    encode: float = 0.0
    search: float = 0.0

    @contextmanager
    def searching(self) -> Iterator[None]:
        """Count the block as search time."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.search += time.perf_counter() - began

    @property
    def timings(self) -> Timings:
        """What was spent up to now, as an answer says it."""
        return Timings(self.queue, self.encode, self.search)


@dataclass(frozen=True)
class Caller:
    """Somebody who waits for an answer."""

    checkpoint: Checkpoint = never_cancelled
    spent: Spent = field(default_factory=Spent)
