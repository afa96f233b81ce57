"""Means over a text's probes: a language model's neurons are scored before each target token, others once."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from attridex.indexer.signing.signature import NeuronReading


class ScoredInstance(NamedTuple):
    """The position of an instance among those that are scored, and its reading."""

    position: int
    neurons: NeuronReading


def probe_means(readings: Iterable[ScoredInstance], counts: Mapping[int, int]) -> Iterator[ScoredInstance]:
    """Means over each instance's probes, given as soon as the last one is in; `counts` says how many it has."""
    sums, left = dict[int, NeuronReading](), dict(counts)
    for position, reading in readings:
        sums[position] = sums[position].plus(reading) if position in sums else reading
        left[position] -= 1
        if not left[position]:
            yield ScoredInstance(position, sums.pop(position).over(counts[position]))
