"""Kept neurons of training instances, combined: what IA-Neurons gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attridex.service.meaning import Wording
from attridex.service.reading.asked import named_score
from attridex.service.reading.checks import layout_of
from attridex.service.search.postings import kept_neurons
from attridex.service.storage.version import IndexVersion
from attridex.v1.answers import NeuronScore

SUMMED_NEURONS = 5
"""Neurons that each instance gives to the `summed` aggregate."""
Rows = NDArray[np.int64]


@dataclass
class Found:
    """A neuron's score so far, and the instances that gave it."""

    score: float
    ids: list[str]


@dataclass(frozen=True)
class Aggregate:
    """A way to combine the neurons of instances.

    Attributes:
        combine: version, rows in rank order and r to neurons; all of them for r = 0.
    """

    wording: Wording
    combine: Callable[[IndexVersion, Rows, int], tuple[NeuronScore, ...]]


def top_neurons(version: IndexVersion, rows: Rows, r: int) -> tuple[NeuronScore, ...]:
    """Instances in rank order, each giving its best neuron, duplicates removed, until r neurons (all for r = 0)."""
    found: dict[int, Found] = {}
    for row, identity in zip(rows, version.ids_of(rows), strict=True):
        for neuron, score in kept_neurons(version, int(row), 1):
            found.setdefault(neuron, Found(score, [])).ids.append(identity)
    return listed(version, found, list(found)[: r or None])


def summed_neurons(version: IndexVersion, rows: Rows, r: int) -> tuple[NeuronScore, ...]:
    """The five best neurons of each instance, scores summed, in descending order, ties by neuron."""
    found: dict[int, Found] = {}
    for row, identity in zip(rows, version.ids_of(rows), strict=True):
        for neuron, score in kept_neurons(version, int(row), SUMMED_NEURONS):
            one = found.setdefault(neuron, Found(0.0, []))
            one.score += score
            one.ids.append(identity)
    return listed(version, found, sorted(found, key=lambda neuron: (-found[neuron].score, neuron))[: r or None])


def listed(version: IndexVersion, found: Mapping[int, Found], order: list[int]) -> tuple[NeuronScore, ...]:
    """Neurons in some order."""
    layout = layout_of(version)
    return tuple(named_score(layout.neuron(n), found[n].score, tuple(found[n].ids)) for n in order)


AGGREGATES: Mapping[str, Aggregate] = {
    "top-neuron": Aggregate(
        Wording.by_sign(
            "higher = the neuron raises the probability of that instance's predicted label more",
            "higher = the neuron raises P(target) of that instance more",
            "higher = the neuron raises the number that is predicted for that instance more",
            "the neuron's own score in the first instance that gave it; instances in rank order, each gives its best neuron",
        ),
        top_neurons,
    ),
    "summed": Aggregate(
        Wording.by_sign(
            "higher = the neuron raises the predictions of the influential instances more",
            "higher = the neuron raises P(target) of the influential instances more",
            "higher = the neuron raises the numbers that are predicted for the influential instances more",
            "sum of scores over instances, top 5 neurons of each",
        ),
        summed_neurons,
    ),
}
