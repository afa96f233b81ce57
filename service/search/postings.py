"""Discounted Cumulative Neuron Similarity: a sum over the posting lists of the query's neurons.

Letters: n rows of the index, c candidates.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

from attridex.indexer.array_types import Doubles, Flags, Integers, ShortIntegers, Singles
from attridex.indexer.errors import AGAIN, DamageError
from attridex.indexer.held.waited import still_waited
from attridex.indexer.index.layout import CSC_ROWS, CSR_NEURONS
from attridex.service.search.groups import Grouping
from attridex.service.search.ranking import ranked
from attridex.service.storage.version import IndexVersion

Mask = Bool[Flags, " n"]
Rows = Int64[Integers, " c"]
Scores = Float64[Doubles, " c"]
Entries = Int32[ShortIntegers, " _"]
Weights = Float32[Singles, " _"]
DENSE = 20
"""One entry of a posting list costs this many times more by sorting than an instance costs by adding into an array."""


class Weighted(NamedTuple):
    """A neuron (layer * F + unit) with a score or weight."""

    neuron: int
    score: float


class SharingHit(NamedTuple):
    """An instance that shares neurons with a query, and what each of them gave to its score."""

    row: int
    score: float
    shared: list[Weighted]


def dcns(version: IndexVersion, neurons: Sequence[int], k: int, mask: Mask | None) -> list[SharingHit]:
    """The k instances that share the most with the query's neurons.

    DCNS(q, t) = sum over n in N_q and K_t of weight(t, n), in float64 in the order of the query's neurons; an instance that
    shares no neuron is no hit, whatever the sum of the others.

    Args:
        version: the index.
        neurons: neuron ids (layer * F + unit) of the query, distinct.
        k: hits at most.
        mask: rows that may be hits.

    Returns:
        In descending score, ties by instance id.
    """
    lists = lists_of(version, neurons)
    candidates, scores = summed(lists, version.rows, k, mask)
    chosen = best_positions(version, candidates, scores, k)
    shared = [shared_neurons(neurons, lists, int(candidates[at])) for at in chosen]
    return [SharingHit(int(candidates[at]), float(scores[at]), parts) for at, parts in zip(chosen, shared, strict=True)]


def lists_of(version: IndexVersion, neurons: Sequence[int]) -> list[tuple[Entries, Weights]]:
    """The instances of each neuron, ascending, and their weights."""
    indptr, rows, weights, _ = version.postings
    found = []
    for neuron in neurons:
        still_waited()
        part = slice(int(indptr[neuron]), int(indptr[neuron + 1]))
        found.append((within(rows[part], version.rows, CSC_ROWS), weights[part]))
    return found


def within(entries: Entries, end: int, name: str) -> Entries:
    """Entries of a list in a file of that name, if all are in [0, end).

    Raises:
        DamageError: one is not.
    """
    if len(entries) and not 0 <= entries.min() <= entries.max() < end:
        raise DamageError(f"{name}: damaged (an entry is not in [0, {end})); {AGAIN}")
    return entries


def sharing(version: IndexVersion, neurons: Sequence[int], mask: Mask | None) -> tuple[Rows, Scores]:
    """All instances that share a neuron with the query, ascending, and their DCNS; see `dcns`."""
    return summed(lists_of(version, neurons), version.rows, version.rows, mask)


def shared_by_groups(
    version: IndexVersion, neurons: Sequence[int], groups: Grouping, mask: Mask | None
) -> dict[str, list[Weighted]]:
    """The query's neurons that a group's instances keep, each with the sum of its weights; of every group by name.

    Args:
        version: the index.
        neurons: of the query.
        groups: of all rows.
        mask: rows that count.
    """
    found: dict[str, list[Weighted]] = {}
    for neuron, (rows, weights) in zip(neurons, lists_of(version, neurons), strict=True):
        still_waited()
        own, values = np.asarray(rows, np.int64), np.asarray(weights, np.float64)
        inside = (groups.of[own] >= 0) & (True if mask is None else mask[own])
        numbers, at = np.unique(groups.of[own][inside], return_inverse=True)
        for number, total in zip(numbers, np.bincount(at, values[inside], len(numbers)), strict=True):
            found.setdefault(groups.names[number], []).append(Weighted(neuron, float(total)))
    return found


def summed(lists: Sequence[tuple[Entries, Weights]], instances: int, k: int, mask: Mask | None) -> tuple[Rows, Scores]:
    """Instances in any of the lists (rows, weights), ascending, and the sums of their weights, list after list.

    Where the lists are long, one number an instance is summed up, and only instances that may be among the k best come back.

    Args:
        lists: rows and weights of each neuron.
        instances: number of the index's rows n.
        k: instances that are wanted.
        mask: rows that may be hits.
    """
    if sum(len(rows) for rows, _ in lists) * DENSE > instances:
        totals = np.zeros(instances)
        for rows, weights in lists:
            still_waited()
            totals[rows] += weights  # no instance stands twice in a list
        if mask is not None:
            totals[~mask] = 0
        # k instances of every sixteenth score this; a score above 0 shares a neuron, one of 0 or less may or may not.
        some = totals[::16]
        floor = np.partition(some, len(some) - k)[len(some) - k] if len(some) >= k else 0.0
        candidates = np.flatnonzero((totals > 0) & (totals >= floor))
        if len(candidates) >= k:
            return candidates.astype(np.int64), totals[candidates]
    found = np.concatenate([np.asarray(rows, np.int64) for rows, _ in lists] or [np.zeros(0, np.int64)])
    values = np.concatenate([np.asarray(weights, np.float64) for _, weights in lists] or [np.zeros(0)])
    candidates, position = np.unique(found, return_inverse=True)
    scores = np.bincount(position, values, len(candidates))
    if mask is not None:
        allowed = mask[candidates]
        candidates, scores = candidates[allowed], scores[allowed]
    return candidates.astype(np.int64), scores.astype(np.float64)


def best_positions(version: IndexVersion, rows: Rows, scores: Scores, k: int) -> list[int]:
    """Positions of the k highest scores, ties by instance id.

    Args:
        version: the index.
        rows: of the candidates.
        scores: theirs.
        k: positions at most.
    """
    if len(rows) > k:
        floor = np.partition(scores, len(scores) - k)[len(scores) - k]
        inside = np.flatnonzero(scores >= floor)
    else:
        inside = np.arange(len(rows))
    order = ranked(scores[inside], lambda at: version.ids_of(rows[inside[at]]), k)
    found: list[int] = inside[order].tolist()
    return found


def shared_neurons(neurons: Sequence[int], lists: Sequence[tuple[Entries, Weights]], row: int) -> list[Weighted]:
    """The query's neurons that an instance keeps, with the weight of each.

    Args:
        neurons: of the query.
        lists: instances of each of them, ascending, and their weights.
        row: the instance.
    """
    still_waited()
    shared = []
    for neuron, (rows, weights) in zip(neurons, lists, strict=True):
        at = int(np.searchsorted(rows, row))
        if at < len(rows) and rows[at] == row:
            shared.append(Weighted(neuron, float(weights[at])))
    return shared


def kept_neurons(version: IndexVersion, row: int, most: int | None = None) -> list[Weighted]:
    """An instance's kept neurons in descending score, `most` at most."""
    still_waited()
    indptr, neurons, scores = version.kept
    part = slice(int(indptr[row]), int(indptr[row + 1]))
    model = version.manifest.model
    pairs = zip(
        within(neurons[part][:most], model.layers * model.units, CSR_NEURONS).tolist(), scores[part][:most].tolist(), strict=True
    )
    return [Weighted(neuron, score) for neuron, score in pairs]
