"""NA-Instances over posting lists gives what a plain loop over instances gives, for lists of every length."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from attridex.indexer.index.postings import InstanceNeurons, NeuronInstances
from attridex.service.search.postings import dcns, kept_neurons
from attridex.service.storage.version import IndexVersion

INSTANCES, NEURONS = 300, 12


def stored(seed: int) -> Any:
    """Neuron n is kept by an instance with probability 1 / (n + 1); weights are of both signs, some equal, some zero."""
    rng = np.random.default_rng(seed)
    lists = [np.flatnonzero(rng.random(INSTANCES) < 1 / (n + 1)).astype(np.int32) for n in range(NEURONS)]
    rows = np.concatenate(lists)
    weights = np.round(rng.normal(size=len(rows)), 1).astype(np.float32)
    indptr = np.concatenate([[0], np.cumsum([len(each) for each in lists])])
    return Stored(NeuronInstances(indptr, rows, weights, weights))


class Stored(IndexVersion):
    """An index version that is nothing but its postings."""

    rows = INSTANCES
    postings: Any = None
    manifest: Any = SimpleNamespace(model=SimpleNamespace(layers=3, units=NEURONS // 3))

    def __init__(self, postings: NeuronInstances) -> None:
        """Keep them."""
        self.postings = postings
        self.kept = InstanceNeurons(np.array([0, 2, 3]), np.array([4, 7, 1], np.int32), np.array([0.5, 0.25, 1], np.float32))

    def ids_of(self, rows: Any) -> list[str]:
        """Ids in another order than rows."""
        return [f"id-{row * 7 % INSTANCES}" for row in rows]


def plain(version: Any, neurons: list[int], k: int, mask: Any) -> list[tuple[int, float]]:
    indptr, rows, weights, _ = version.postings
    found = []
    for instance in range(INSTANCES):
        mine = [float(weights[at]) for n in neurons for at in range(indptr[n], indptr[n + 1]) if rows[at] == instance]
        if mine and (mask is None or mask[instance]):
            found.append((instance, sum(mine)))
    return sorted(found, key=lambda hit: (-hit[1], version.ids_of([hit[0]])[0]))[:k]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("k", [1, 10, 250])
def test_the_best_instances_are_those_of_the_plain_loop(seed: int, k: int) -> None:
    version, rng = stored(seed), np.random.default_rng(seed)
    for neurons in ([0], [11], [8, 9, 10, 11], [3, 1, 0, 7, 5], []):
        for mask in (None, rng.random(INSTANCES) < 0.5, rng.random(INSTANCES) < 0.02):
            found = dcns(version, neurons, k, mask)
            assert [(row, score) for row, score, _ in found] == plain(version, neurons, k, mask)


def test_kept_neurons_come_in_their_order_and_no_more_than_asked_for() -> None:
    assert kept_neurons(stored(0), 0) == [(4, 0.5), (7, 0.25)]
    assert kept_neurons(stored(0), 1) == [(1, 1.0)]
    assert kept_neurons(stored(0), 0, 1) == [(4, 0.5)]
    assert kept_neurons(stored(0), 0, 0) == []
