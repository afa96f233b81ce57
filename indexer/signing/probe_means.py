"""Means over a text's probes: a language model's neurons are scored before each target token, others once."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from attridex.indexer.signing.signature import NeuronReading


class ScoredInstance(NamedTuple):
    """The position of an instance among those that are scored, and its reading."""

    position: int
    neurons: NeuronReading


class ProbeMeans:
    """Averages over an instance's probes, given as soon as the last one is in."""

    def __init__(self, counts: Mapping[int, int]) -> None:
        """Probes of each instance."""
        self._counts = dict(counts)
        self._sums: dict[int, NeuronReading] = {}
        self._seen: Counter[int] = Counter()

    def add(self, positions: Sequence[int], readings: Sequence[NeuronReading]) -> Iterator[ScoredInstance]:
        """Add probes' readings; give the means of instances that are complete."""
        for position, reading in zip(positions, readings, strict=True):
            before = self._sums.pop(position, None)
            total = reading if before is None else before.plus(reading)
            self._seen[position] += 1
            if self._seen[position] == self._counts[position]:
                yield ScoredInstance(position, total.over(self._counts[position]))
            else:
                self._sums[position] = total
