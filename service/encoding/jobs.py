"""Texts that wait for the model: a queue with a limit, from which they come in batches."""

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from attridex.service.encoding.need import Need
from attridex.service.errors import OverloadedError

if TYPE_CHECKING:
    from attridex.indexer.corpus.instances import RenderedInstance
    from attridex.indexer.signing.edits import NeuronEdit

WAITING = 4096
"""Jobs that may wait; one more is refused."""
BATCH_TOKENS = 8192
"""Tokens that are signed together."""


@dataclass
class Job:
    """One text waiting for the model: to be continued by so many tokens, to be signed as `need` says, or under `edits`."""

    instance: "RenderedInstance"
    need: Need | None
    edits: Sequence["NeuronEdit"] = ()
    more: int = 0
    done: threading.Event = field(default_factory=threading.Event)
    began: float = 0.0
    ended: float = 0.0
    queued: float = field(default_factory=time.perf_counter)
    result: Any = None
    error: Exception | None = None
    abandoned: bool = False

    def succeed(self, result: Any, began: float) -> None:
        """Hand the result over."""
        self.result, self.began, self.ended = result, began, time.perf_counter()
        self.done.set()

    def fail(self, error: Exception) -> None:
        """Hand an error over."""
        self.error, self.ended = error, time.perf_counter()
        self.began = self.began or self.ended
        self.done.set()


class JobQueue:
    """Jobs in the order in which they came, with a limit on how many wait."""

    def __init__(self, limit: int = WAITING) -> None:
        """`limit` in jobs."""
        self._groups: queue.Queue[list[Job] | None] = queue.Queue()
        self._limit, self._waiting = limit, 0
        self._lock = threading.Lock()

    def put(self, jobs: Sequence[Job]) -> None:
        """Queue jobs in groups that may be signed together.

        Raises:
            OverloadedError: too many wait already.
        """
        with self._lock:
            if self._waiting + len(jobs) > self._limit:
                raise OverloadedError(f"more than {self._limit} texts wait for the model; try again")
            self._waiting += len(jobs)
        for group in packed(jobs):
            self._groups.put(group)

    def end(self) -> None:
        """Give nothing any more once what waits was given."""
        self._groups.put(None)

    def batch(self) -> list[Job] | None:
        """What has come in meanwhile, up to the token budget, waiting for the first; None at the end."""
        batch = self._groups.get()
        if batch is None:
            return None
        tokens = sum(job.instance.tokens for job in batch)
        while tokens < BATCH_TOKENS:
            try:
                more = self._groups.get_nowait()
            except queue.Empty:
                break
            if more is None:
                self.end()
                break
            batch = batch + more
            tokens += sum(job.instance.tokens for job in more)
        with self._lock:
            self._waiting -= len(batch)
        return [job for job in batch if not job.abandoned]


def packed(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """Jobs in groups, each filled until it reaches the token budget."""
    group: list[Job] = []
    tokens = 0
    for job in jobs:
        if tokens >= BATCH_TOKENS:
            yield group
            group, tokens = [], 0
        group.append(job)
        tokens += job.instance.tokens
    if group:
        yield group


def by_need(jobs: Sequence[Job]) -> list[list[Job]]:
    """Jobs with the same need run together."""
    groups: dict[tuple[Need | None, int], list[Job]] = {}
    for job in jobs:
        groups.setdefault((job.need, job.more), []).append(job)
    return list(groups.values())
