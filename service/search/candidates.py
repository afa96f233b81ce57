"""Rows that may still be among a query's k best, by scores with a bound on their error.

Letters: m rows.
"""

import numpy as np
from jaxtyping import Float64, Int64

from attridex.indexer.array_types import Doubles, Integers

Rows = Int64[Integers, " m"]
Bounds = Float64[Doubles, " m"]

PRUNE = 4096
"""Candidates beyond k that a query may gather before the hopeless ones are dropped; the first k set a floor at once."""


class Candidates:
    """Rows of one query that may still be among its k best.

    Attributes:
        floor: k rows surely score at least this.
    """

    def __init__(self, k: int) -> None:
        """None yet."""
        self._k = k
        self._rows: list[Rows] = []
        self._high: list[Bounds] = []
        self._low: list[Bounds] = []
        self._count = 0
        self.floor = -np.inf

    def add(self, rows: Rows, high: Bounds, low: Bounds) -> None:
        """Add rows with bounds of their scores."""
        self._rows.append(rows)
        self._high.append(high)
        self._low.append(low)
        self._count += len(rows)
        if self._count > self._k + PRUNE or (self.floor == -np.inf and self._count > self._k):
            self.prune()

    def prune(self) -> None:
        """Drop the rows that k others surely beat."""
        rows = np.concatenate(self._rows) if self._rows else np.zeros(0, np.int64)
        high, low = (np.concatenate(parts) if parts else np.zeros(0) for parts in (self._high, self._low))
        if len(rows) > self._k:
            self.floor = max(self.floor, float(np.partition(low, len(low) - self._k)[len(low) - self._k]))
            hopeful = high >= self.floor
            rows, high, low = rows[hopeful], high[hopeful], low[hopeful]
        self._rows, self._high, self._low, self._count = [rows], [high], [low], len(rows)

    def merge(self, other: "Candidates") -> None:
        """Take in what another thread found."""
        self._rows += other._rows
        self._high += other._high
        self._low += other._low

    def rows(self) -> Rows:
        """The rows that are left."""
        self.prune()
        return self._rows[0]
