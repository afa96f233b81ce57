"""A limit that clients share, so that one who holds much cannot keep others from holding a little."""

import threading
from collections import Counter


class Shares:
    """What clients hold together: anybody may take while there is room, and up to an even share when there is none."""

    def __init__(self, limit: int) -> None:
        """`limit` of what all hold."""
        self.limit = limit
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """What all hold."""
        with self._lock:
            return self._held.total()

    def take(self, client: str, amount: int) -> bool:
        """Whether a client may hold so much more; it does from now on, if so."""
        with self._lock:
            even = self.limit // len({*self._held, client})
            allowed = self._held.total() + amount <= self.limit or self._held[client] + amount <= even
            if allowed:
                self._held[client] += amount
            self._drop(client)
            return allowed

    def give_back(self, client: str, amount: int) -> None:
        """Hold so much less."""
        with self._lock:
            self._held[client] -= amount
            self._drop(client)

    def _drop(self, client: str) -> None:
        if self._held[client] <= 0:
            del self._held[client]
