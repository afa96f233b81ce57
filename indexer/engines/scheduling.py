"""Tasks over workers: each is done once, whoever is lost on the way."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from attridex.indexer.engines.pools import Advanced, Done, Failed, Heard, Lost, Pool, Ready, Task, Worker
from attridex.indexer.errors import AttridexError
from attridex.indexer.progress import Advance

LOSSES = 3
"""Workers that may be lost over one task, or one after the other before they are ready."""
OPENING = 300.0
"""Seconds that a worker may take until it is ready, at least; a model is large, and a cluster may have to make room."""
TICK = 0.5
"""Seconds between two looks at who is silent."""


@dataclass
class Assignment:
    """What a worker has to do.

    Attributes:
        heard: when it last said anything, by `time.monotonic`.
        number: of its task; None while it opens the job.
        count: units that it has told of it.
    """

    heard: float
    number: int | None = None
    count: int = 0


@dataclass
class Schedule:
    """Gives tasks out until all are done.

    Attributes:
        pool: of those who do them.
        tasks: in the order in which they are begun; drawn from as late as one is wanted, but for the next.
        done: hears of a task that is done, and by whom; what it raises ends the work.
        lost: hears, in a line, of a worker that was lost and of what becomes of its task.
        stall: seconds of silence after which a worker is taken for lost.
        advance: hears of units that are done, and of those that were lost (negative).
    """

    pool: Pool
    tasks: Iterator[Task]
    done: Callable[[Task, Worker], None]
    lost: Callable[[str], None]
    stall: float
    advance: Advance = lambda _count: None
    _waiting: deque[int] = field(default_factory=deque)
    _held: dict[int, Task] = field(default_factory=dict)
    _drawn: int = 0
    _busy: dict[Worker, Assignment] = field(default_factory=dict)
    _idle: list[Worker] = field(default_factory=list)
    _losses: Counter[int] = field(default_factory=Counter)
    _unready: int = 0

    def begin(self) -> None:
        """Start workers and wait until one of them is ready, if there is anything to do.

        Raises:
            AttridexError: none can be started.
        """
        self._draw()
        while self._waiting and not self._idle:
            self._turn()

    def run(self, advance: Advance) -> None:
        """Do all tasks.

        Args:
            advance: see the class.

        Raises:
            AttridexError: a task cannot be done, too many workers were lost over one, or none can be started.
        """
        self.begin()
        self.advance = advance
        while self._waiting or self._working():
            self._turn()

    def _turn(self) -> None:
        self._give()
        for worker, heard in self.pool.listen(TICK):
            self._hear(worker, heard)
        self._end_silent()

    def _working(self) -> bool:
        return any(each.number is not None for each in self._busy.values())

    def _draw(self) -> None:
        """Hold one task ready that nobody has, if there is one."""
        if not self._waiting:
            for task in self.tasks:
                self._held[self._drawn] = task
                self._waiting.append(self._drawn)
                self._drawn += 1
                return

    def _give(self) -> None:
        while self._waiting and self._idle:
            worker, number = self._idle.pop(), self._waiting.popleft()
            self._busy[worker] = Assignment(time.monotonic(), number)
            worker.give(self._held[number])
            self._draw()
        while self._waiting and len(self._busy) + len(self._idle) < self.pool.size:
            self._busy[self.pool.start()] = Assignment(time.monotonic())

    def _hear(self, worker: Worker, heard: Heard) -> None:
        if worker in self._idle and isinstance(heard, Lost):
            self._idle.remove(worker)
        if worker not in self._busy:
            return  # it has nothing to do, or was taken for lost before it said this
        has = self._busy[worker]
        has.heard = time.monotonic()
        match heard:
            case Advanced(count):
                has.count += count
                self.advance(count)
            case Ready():
                self._rest(worker)
            case Done():
                self._finish(worker, has)
            case Failed(error):
                raise error
            case Lost(why):
                self._lose(worker, why)

    def _rest(self, worker: Worker) -> None:
        del self._busy[worker]
        self._idle.append(worker)

    def _finish(self, worker: Worker, has: Assignment) -> None:
        if has.number is not None:
            self.done(self._held.pop(has.number), worker)
            self._unready = 0
            self._rest(worker)

    def _end_silent(self) -> None:
        now, working = time.monotonic(), self._working()
        for worker, has in list(self._busy.items()):
            opening = has.number is None
            if opening and (working or self._idle or not self._waiting):
                has.heard = now  # there may be no room for it; the others go on without it
                continue
            allowed = max(self.stall, OPENING) if opening else self.stall
            if now - has.heard > allowed:
                worker.end()
                self._lose(worker, f"silent for {allowed:.0f} s")

    def _lose(self, worker: Worker, why: str) -> None:
        has = self._busy.pop(worker)
        self.advance(-has.count)
        if has.number is None:
            self._unready += 1
            if self._unready >= LOSSES:
                raise AttridexError(f"{LOSSES} workers were lost before they were ready, the last {worker.name}: {why}")
            self.lost(f"{worker.name} was lost before it was ready: {why}; another takes its place")
            return
        self._losses[has.number] += 1
        task = self._held[has.number]
        if self._losses[has.number] >= LOSSES:
            raise AttridexError(f"{task}: {LOSSES} workers were lost over it, the last {worker.name}: {why}")
        self.lost(f"{worker.name} was lost over {task}: {why}; it is begun anew")
        self._waiting.appendleft(has.number)
