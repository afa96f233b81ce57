"""Texts that wait for the model: a queue with a limit, from which they come in batches."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from attridex.service.encoding.need import Need
from attridex.service.errors import OverloadedError
from attridex.service.shares import Shares

if TYPE_CHECKING:
    from attridex.indexer.corpus.instances import RenderedInstance
    from attridex.indexer.signing.edits import NeuronEdit

WAITING = 16384
"""Jobs that may wait."""
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
    """Jobs of many clients, given in batches: in each, clients take turns, so that none waits for all that others ask."""

    def __init__(self, limit: int = WAITING) -> None:
        """`limit` in jobs, which clients share."""
        self._queues: OrderedDict[str, deque[Job]] = OrderedDict()
        self._waiting, self._ended = Shares(limit), False
        self._some = threading.Condition()

    def put(self, jobs: Sequence[Job], client: str = "") -> None:
        """Queue jobs.

        Raises:
            OverloadedError: too many wait already.
        """
        if not jobs:
            return
        if not self._waiting.take(client, len(jobs)):
            raise OverloadedError(f"more than {self._waiting.limit} texts wait for the model; try again")
        with self._some:
            self._queues.setdefault(client, deque()).extend(jobs)
            self._some.notify()

    @property
    def waiting(self) -> int:
        """Jobs that wait."""
        return self._waiting.held

    def end(self) -> None:
        """Give nothing any more once what waits was given."""
        with self._some:
            self._ended = True
            self._some.notify()

    def batch(self) -> list[Job] | None:
        """What has come in meanwhile, one job of each client after the other, until there are tokens enough; None at the end.

        Jobs that nobody waits for are left out, so that it may be empty.
        """
        with self._some:
            while not self._queues:
                if self._ended:
                    return None
                self._some.wait()
            found, tokens = list[Job](), 0
            while self._queues and tokens < BATCH_TOKENS:
                job = self._take()
                if not job.abandoned:
                    found.append(job)
                    tokens += job.instance.tokens
            return found

    def _take(self) -> Job:
        """The next job of the client whose turn it is."""
        client, queue = self._queues.popitem(last=False)
        job = queue.popleft()
        self._waiting.give_back(client, 1)
        if queue:
            self._queues[client] = queue
        return job


def by_need(jobs: Sequence[Job]) -> list[list[Job]]:
    """Jobs with the same need run together, few before many: a single one does not wait for a batch of another need."""
    groups: dict[tuple[Need | None, int], list[Job]] = {}
    for job in jobs:
        groups.setdefault((job.need, job.more), []).append(job)
    return sorted(groups.values(), key=len)
