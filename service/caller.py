"""Whom an answer is for: who asks, whether it is still waited for, and the seconds spent on it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from attridex.service.errors import CancelledError, DeadlineError
from attridex.service.rights import EVERYBODY, Asker
from attridex.v1.answers import Timings

Checkpoint = Callable[[], None]
"""Called between blocks of work; raises CancelledError once the caller has gone or its deadline has passed."""
LATE = "the deadline passed before the answer was ready; give the call more time, or ask for less"
GONE = "the caller went away"


def never_cancelled() -> None:
    """The checkpoint of a caller that waits."""


class Waiter:
    """A client that waits until its deadline, or until it goes away; any thread may look.

    Attributes:
        client: who it is, among those that are answered in turn.
        asker: who it is by name, and what it may.
    """

    def __init__(self, timeout: float | None = None, client: str = "") -> None:
        """`timeout` in seconds."""
        self.client = client
        self.asker: Asker = EVERYBODY
        self._until = None if timeout is None else time.monotonic() + timeout
        self._ended: Exception | None = None
        self._lock = threading.Lock()

    def end(self, why: Exception | None = None) -> None:
        """Wait no longer; `why` is what is raised at the next checkpoint, the first reason given counting."""
        with self._lock:
            self._ended = self._ended or why or CancelledError(GONE)

    def check(self) -> None:
        """Go on only where the client still waits.

        Raises:
            DeadlineError: its deadline has passed.
            CancelledError: it has gone.
        """
        if self._until is not None and time.monotonic() >= self._until:
            raise DeadlineError(LATE)
        if self._ended is not None:
            raise self._ended


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


@dataclass
class Lacking:
    """The shards, by name, that an answer is not of, though it should be of all."""

    shards: set[str] = field(default_factory=set)


PARTLY: ContextVar[Lacking | None] = ContextVar("partly", default=None)


@contextmanager
def partly(lacking: Lacking | None) -> Iterator[None]:
    """Scans of the block, in this thread, may leave shards out that nobody answers for, and say so here; none may where None."""
    token = PARTLY.set(lacking)
    try:
        yield
    finally:
        PARTLY.reset(token)


@dataclass(frozen=True)
class Caller:
    """Somebody who waits for an answer; `client` is whose turn it takes, `lacking` tells what the answer is not of."""

    checkpoint: Checkpoint = never_cancelled
    spent: Spent = field(default_factory=Spent)
    client: str = ""
    lacking: Lacking = field(default_factory=Lacking)
