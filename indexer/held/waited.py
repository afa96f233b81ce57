"""Work that stops once nobody waits for its answer.

Loops look by `still_waited`; queries of DuckDB are interrupted, one thread looks after all that are under way.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Check = Callable[[], None]
"""Raises once nobody waits any more; called by any thread."""
LOOK_SECONDS = 0.02
"""How often it is looked whether a query is still waited for."""
WAITED: ContextVar[Check | None] = ContextVar("waited", default=None)


@contextmanager
def waited_for(check: Check) -> Iterator[None]:
    """Queries of the block, in this thread, stop once `check` raises."""
    token = WAITED.set(check)
    try:
        yield
    finally:
        WAITED.reset(token)


def still_waited() -> None:
    """Go on only where somebody waits for what this thread works on; loops call it about every ten milliseconds of work."""
    check = WAITED.get()
    if check is not None:
        check()


class Lookout:
    """Interrupts queries that nobody waits for."""

    def __init__(self) -> None:
        """The thread begins with the first query."""
        self._queries: dict[int, tuple[Check, Callable[[], None]]] = {}
        self._some = threading.Condition()
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Look after the query of the block, which `interrupt` ends; what ended it is raised."""
        check = WAITED.get()
        if check is None:
            yield
            return
        key = threading.get_ident()
        self._begin(key, check, interrupt)
        try:
            yield
        except Exception:
            check()
            raise
        finally:
            with self._some:
                self._queries.pop(key, None)

    def _begin(self, key: int, check: Check, interrupt: Callable[[], None]) -> None:
        with self._some:
            self._queries[key] = (check, interrupt)
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="lookout", daemon=True)
                self._thread.start()
            self._some.notify()

    def _look(self) -> None:
        while True:
            with self._some:
                while not self._queries:
                    self._some.wait()
            self._look_once()
            threading.Event().wait(LOOK_SECONDS)

    def _look_once(self) -> None:
        # What is looked at lives no longer than this call: a connection that a sleeping thread holds outlives its owner.
        with self._some:
            under_way = list(self._queries.values())
        for check, interrupt in under_way:
            try:
                check()
            except Exception:
                interrupt()


LOOKOUT = Lookout()
"""Looks after all queries of this process."""
