"""Kept neurons of training instances, listed and combined: what IA-Neurons gives back."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from attridex.service.requests import Instance, NeuronScore
from attridex.service.search.postings import kept_neurons
from attridex.service.storage.version import IndexVersion

SUMMED_NEURONS = 5
"""Neurons that each instance gives to the `summed` aggregate."""
Weighted = tuple[int, float]
"""(neuron id, score)."""


def scores(version: IndexVersion, neurons: Sequence[Weighted]) -> tuple[NeuronScore, ...]:
    """Neuron ids with scores, as (layer, unit)."""
    units = version.manifest.model.units
    return tuple(NeuronScore(neuron // units, neuron % units, score) for neuron, score in neurons)


def instances(
    version: IndexVersion, rows: Sequence[int], fields: Sequence[str], *, with_neurons: bool = False, with_hidden: bool = False
) -> tuple[Instance, ...]:
    """Instances with the asked columns; all of them where none is named."""
    names = fields or [name for name, _ in version.manifest.columns if name not in ("row", "id")]
    shown, ids = version.fields(rows, names), version.ids_of(np.asarray(rows, np.int64))
    return tuple(
        Instance(
            identity, int(row), values,
            neurons=scores(version, kept_neurons(version, row)) if with_neurons else (),
            hidden=version.state(row) if with_hidden else None,
        )
        for identity, row, values in zip(ids, rows, shown, strict=True)
    )  # fmt: skip


def top_neurons(version: IndexVersion, rows: NDArray[np.int64], r: int) -> tuple[NeuronScore, ...]:
    """Instances in rank order, each giving its best neuron, duplicates removed, until r neurons (all for r = 0)."""
    found: dict[int, tuple[float, list[str]]] = {}
    for row, identity in zip(rows, version.ids_of(rows), strict=True):
        best = kept_neurons(version, int(row))[:1]
        for neuron, score in best:
            found.setdefault(neuron, (score, []))[1].append(identity)
    units = version.manifest.model.units
    return tuple(
        NeuronScore(neuron // units, neuron % units, score, tuple(ids))
        for neuron, (score, ids) in list(found.items())[: r or None]
    )


def summed_neurons(version: IndexVersion, rows: NDArray[np.int64], r: int) -> tuple[NeuronScore, ...]:
    """The five best neurons of each instance, scores summed, in descending order, ties by neuron."""
    found: dict[int, tuple[float, list[str]]] = {}
    for row, identity in zip(rows, version.ids_of(rows), strict=True):
        for neuron, score in kept_neurons(version, int(row))[:SUMMED_NEURONS]:
            total, ids = found.get(neuron, (0.0, []))
            found[neuron] = (total + score, [*ids, identity])
    order = sorted(found, key=lambda neuron: (-found[neuron][0], neuron))[: r or None]
    units = version.manifest.model.units
    return tuple(NeuronScore(neuron // units, neuron % units, found[neuron][0], tuple(found[neuron][1])) for neuron in order)
