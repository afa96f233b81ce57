"""What an engine is made of: a job, workers that opened it, and what is heard of them."""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from attridex.indexer.errors import AttridexError, one_line
from attridex.indexer.progress import Advance

Task = Any
"""What a worker is given; it travels by pickle."""
Work = Callable[[Task, Advance], None]
"""Does a task, and tells how far it is."""


class Job(Protocol):
    """What the workers are for. It travels to each of them once, by pickle."""

    def open(self) -> Work:
        """Load what the tasks need, where the worker is."""


class Worker(Protocol):
    """One that does a task at a time, in another process."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    def give(self, task: Task) -> None:
        """Let it begin; it has nothing else to do."""

    def end(self) -> None:
        """End it at once, whatever it does."""


@dataclass(frozen=True)
class Ready:
    """It opened the job."""


@dataclass(frozen=True)
class Advanced:
    """It came further in its task, by so many units; 0 is a sign of life."""

    count: int


@dataclass(frozen=True)
class Done:
    """It did its task."""


@dataclass(frozen=True)
class Failed:
    """The task, or the job, cannot be done by anybody."""

    error: Exception


@dataclass(frozen=True)
class Lost:
    """It is gone, by no fault that is known of its task."""

    why: str


def failed(error: Exception) -> Failed:
    """An error as it travels: the user's own as they are, any other in a line, once all of it is written to stderr."""
    if isinstance(error, AttridexError):
        return Failed(type(error)(str(error)))
    traceback.print_exception(error)
    return Failed(AttridexError(f"a worker failed: {type(error).__name__}: {one_line(error)}"))


Heard = Ready | Advanced | Done | Failed | Lost


class Pool(Protocol):
    """Where workers come from."""

    size: int
    """How many there are to be."""

    def start(self) -> Worker:
        """One worker more; `Ready` is heard of it once it opened the job."""

    def listen(self, seconds: float) -> Sequence[tuple[Worker, Heard]]:
        """What is heard of them, in the order in which each said it; as soon as there is anything, or after so many seconds."""

    def close(self) -> None:
        """End all of them."""
