"""SIGTERM, with which schedulers of jobs stop them, ends a command as an interrupt does: what was begun is ended in order."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STOPPED = 128 + signal.SIGTERM
"""The exit code of what was stopped so, as a shell gives it."""


@contextmanager
def stoppable() -> Iterator[Callable[[], None]]:
    """Let SIGTERM end the main thread by `SystemExit(STOPPED)`; a second one ends the process at once.

    Gives what takes the signal again, for when a library has put there what it does itself.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return

    def end(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise SystemExit(STOPPED)

    def take() -> None:
        signal.signal(signal.SIGTERM, end)

    before = signal.getsignal(signal.SIGTERM)
    take()
    try:
        yield take
    finally:
        signal.signal(signal.SIGTERM, before)
