"""Progress of long work, on stderr: a bar with rate and time left, or a line now and then where there is no terminal."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

QUIET_SECONDS = 15.0
"""Seconds between two lines where there is no terminal."""

Advance = Callable[[int], None]


class RateColumn(ProgressColumn):
    """Units a second."""

    def __init__(self, unit: str) -> None:
        """`unit` is the plural of what is counted."""
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """The rate over the last while."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} {self._unit}/s" if speed else "", style="progress.data.speed")


@contextmanager
def progress(what: str, total: int, unit: str, *, enabled: bool, done: int = 0) -> Iterator[Advance]:
    """Show the progress of some work; the block calls `advance(n)`.

    Args:
        what: the work, in a word or two.
        total: how many units there are.
        unit: plural of what is counted.
        enabled: False shows nothing.
        done: units that were there before (resumed work).
    """
    console = Console(stderr=True)
    if not enabled:
        yield lambda _count: None
    elif console.is_terminal:
        times = TimeElapsedColumn(), TimeRemainingColumn()
        with Progress(TextColumn(what), BarColumn(), MofNCompleteColumn(), RateColumn(unit), *times, console=console) as bar:
            task = bar.add_task(what, total=total, completed=done)
            yield lambda count: bar.advance(task, count)
    else:
        yield lines(what, total, unit, console, done)


def lines(what: str, total: int, unit: str, console: Console, done: int) -> Advance:
    """Progress as plain lines, none for quick work; rate and time left are of the time since the line before.

    Args:
        what: the work, in a word or two.
        total: how many units there are.
        unit: plural of what is counted.
        console: where lines are printed.
        done: units that were there before.
    """
    count, told, last = done, done, time.monotonic()
    began = last

    def advance(more: int) -> None:
        nonlocal count, told, last
        count += more
        now = time.monotonic()
        if count > told and (now - last >= QUIET_SECONDS or (count == total and last > began)):
            line = f"{what}: {count}/{total} {unit}{pace(count - told, now - last, total - count)}"
            console.print(line, highlight=False, soft_wrap=True, markup=False)
            told, last = count, now

    return advance


def pace(done: int, seconds: float, left: int) -> str:
    """Rate of what was done in some seconds, and the time that the rest takes at that rate."""
    each = seconds / done
    rate = f"{each:.1f} s each" if each > 1 else f"{1 / max(each, 1e-9):.1f}/s"
    return f", {rate}, {timedelta(seconds=round(each * left))} left" if left else ""


def say(line: str) -> None:
    """A line on stderr, before or after work."""
    sys.stderr.write(f"{line}\n")  # a bar, where there is one, lets it pass above itself


def say_all(lines: Iterable[str], *, enabled: bool) -> None:
    """Lines on stderr, where they are wanted."""
    for line in lines if enabled else ():
        say(line)


def about(seconds: float) -> str:
    """A time in words, no more exact than it is known."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 1 else "1 s or less"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
