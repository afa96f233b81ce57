"""Refused calls, which anybody can make: so many a minute are told one by one, the others as a number."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping

MOST = 60
"""Refused calls of a period that are told one by one."""
SECONDS = 60.0
"""A period: it begins with a refused call."""


class Refusals:
    """Counts refused calls; any thread may."""

    def __init__(self, tell: Callable[[Mapping[str, int]], None], most: int = MOST, seconds: float = SECONDS) -> None:
        """Nothing refused yet.

        Args:
            tell: is given how many more there were than `most`, by their code, once a period is over.
            most: calls of a period that are told one by one.
            seconds: of a period.
        """
        self._tell, self._most, self._seconds = tell, most, seconds
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._count, self._more = 0, Counter[str]()

    def one_more(self, code: str) -> bool:
        """Count a call that was refused with this code; whether it is to be told by itself."""
        with self._lock:
            if self._timer is None:
                self._timer = threading.Timer(self._seconds, self.end_period)
                self._timer.daemon = True
                self._timer.start()
            self._count += 1
            if self._count > self._most:
                self._more[code] += 1
            return self._count <= self._most

    def end_period(self) -> None:
        """Tell what was not told; the next refused call begins another period."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            more, self._timer, self._count, self._more = self._more, None, 0, Counter[str]()
        if more:
            self._tell(more)
