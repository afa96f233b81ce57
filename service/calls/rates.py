"""How often clients may ask: a bucket of tokens each, filled evenly, that holds what a second gives."""

import time
from collections.abc import Callable

from attridex.service.errors import OverloadedError

FEW = 1024
"""Clients that are remembered without looking whether they still need be."""


class Rates:
    """Requests a second of each client; used from one event loop.

    Only the time at which a bucket will be full again is kept of it: the generic cell rate algorithm.
    """

    def __init__(self, most: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`most` requests a second, 0 for any number; `clock` in seconds."""
        self._most, self._clock = most, clock
        self._full: dict[str, float] = {}
        self._sweep = FEW

    def take(self, client: str) -> None:
        """Count a request.

        Raises:
            OverloadedError: the client's bucket is empty; it says when there is a token again.
        """
        if not self._most:
            return
        now, holds = self._clock(), max(1.0, self._most)
        full = max(now, self._full.get(client, now)) + 1 / self._most
        wait = full - now - holds / self._most
        if wait > 1e-6:
            raise OverloadedError(f"one client may ask {self._most:g} requests a second; try again in {wait:.2g} s", retry=wait)
        self._full[client] = full
        self._forget(now)

    def _forget(self, now: float) -> None:
        """Forget clients whose buckets are full, once there are many."""
        if len(self._full) > self._sweep:
            self._full = {client: full for client, full in self._full.items() if full > now}
            self._sweep = max(FEW, 2 * len(self._full))
