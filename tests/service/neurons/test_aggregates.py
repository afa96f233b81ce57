"""Neurons of instances in rank order, or summed, each with the instances that gave it."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from attridex.indexer.index.records import ModelFacts
from attridex.service.neurons.aggregates import AGGREGATES, summed_neurons, top_neurons
from attridex.service.neurons.similarities import SIMILARITIES, DenseSimilarity
from attridex.service.reading.asked import Asked
from attridex.service.storage.version import IndexVersion
from attridex.v1.answers import NeuronScore
from attridex.v1.requests import Query

KEPT = {0: [(5, 0.5), (1, 0.25)], 1: [(5, 0.75)], 2: [], 3: [(2, 1.0), (1, 0.5)]}


def version() -> Any:
    indptr = np.cumsum([0, *(len(neurons) for neurons in KEPT.values())])
    pairs = [pair for neurons in KEPT.values() for pair in neurons]
    made = object.__new__(IndexVersion)
    vars(made).update(
        kept=(indptr, np.array([n for n, _ in pairs], np.int32), np.array([s for _, s in pairs])),
        ids_of=lambda rows: [f"t{row}" for row in rows],
        manifest=SimpleNamespace(model=ModelFacts.model_construct(layers=2, units=3)),
        vector=lambda parts, row: np.full(2, float(row)), activations="activations", attributions="attributions",
    )  # fmt: skip
    return made


ROWS = np.array([1, 0, 2, 3])


@pytest.mark.parametrize("r", [0, 1, 2])
def test_each_instance_gives_its_best_neuron_once(r: int) -> None:
    expected = (NeuronScore(1, 2, 0.75, ("t1", "t0")), NeuronScore(0, 2, 1.0, ("t3",)))
    assert top_neurons(version(), ROWS, r) == expected[: r or None]


def test_summed_neurons_are_ordered_by_their_sums_and_then_by_number() -> None:
    expected = (
        NeuronScore(1, 2, 1.25, ("t1", "t0")), NeuronScore(0, 2, 1.0, ("t3",)), NeuronScore(0, 1, 0.75, ("t0", "t3")),
    )  # fmt: skip
    assert summed_neurons(version(), ROWS, 0) == expected
    assert {name: each.combine for name, each in AGGREGATES.items()} == {"top-neuron": top_neurons, "summed": summed_neurons}


@pytest.mark.parametrize("name", ["activation", "attribution"])
def test_a_dense_similarity_takes_the_text_s_signature_or_the_stored_one(name: str) -> None:
    similarity = SIMILARITIES[name]
    assert isinstance(similarity, DenseSimilarity)
    assert similarity.stored(version()) == f"{name}s"
    signed: Any = SimpleNamespace(activation=np.float32([1, 2]), attribution=np.float32([1, 2]))
    assert similarity.vector(version(), Asked(Query.record({}), "q", None, signed)).tolist() == [1, 2]
    assert similarity.vector(version(), Asked(Query.instance("t3"), "t3", 3)).tolist() == [3, 3]
    assert "neurons" in SIMILARITIES["dcns"].sources
