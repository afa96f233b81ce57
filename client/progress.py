"""Progress of batch jobs, on stderr."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@contextmanager
def progress(what: str, total: int, unit: str, *, enabled: bool = True) -> Iterator[Callable[[int], None]]:
    """A bar with time left; the block calls `advance(n)`."""
    columns = (TextColumn(f"{what} {unit}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not enabled) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)
