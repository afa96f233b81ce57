"""Ranges: what is not finite is left out and named, and kept neurons become columns."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from attridex.indexer.building.plan import Plan, make_plan, survey_corpus
from attridex.indexer.building.ranges import RangeResults, even, neuron_columns
from attridex.indexer.config import load_config
from attridex.indexer.corpus.reading import rendered
from attridex.indexer.index.layout import GRADIENTS, HIDDEN
from attridex.indexer.neurons.scores import dcns_weights
from attridex.indexer.signing.signature import ScoredNeuron
from attridex.indexer.signing.signer import Signer


def made(config: Path) -> tuple[Plan, Signer]:
    parsed = load_config(config)
    signer = Signer.load(parsed)
    return make_plan(parsed, survey_corpus(parsed), signer), signer


def test_results_are_the_signatures_and_rows_that_are_not_finite_are_named(project: Callable[..., Path]) -> None:
    plan, signer = made(project(count=5, gradients={"curvature": ["ekfac"]}))
    instances = [each for _, each in rendered(plan.config.corpus, signer.renderer, labels_needed=True)]
    results = RangeResults(signer, plan, 5)
    counted: list[int] = []
    results.sign(instances, counted.append)
    assert sum(counted) == 5
    for row, signature in enumerate(signer.sign(instances)):
        assert np.array_equal(results.vectors[GRADIENTS][row], signature.gradient)
        assert np.array_equal(results.vectors[HIDDEN][row], signature.hidden)
        assert results.kept[row] == signature.kept(plan.config.neurons.keep)
        assert results.decided[row].predicted == signature.predicted
    assert results.factors is not None
    assert results.sound(instances, 100)[0] == [0, 1, 2, 3, 4]
    results.vectors[GRADIENTS][1, 0] = np.nan
    results.scored[3] = False
    good, bad = results.sound(instances, 100)
    assert good == [0, 2, 4]
    assert [dict(entry) for entry in bad] == [
        {"id": "t1", "position": 101, "reason": "gradient not finite"},
        {"id": "t3", "position": 103, "reason": "neuron scores not finite"},
    ]


def test_kept_neurons_become_rows_with_rank_and_weight() -> None:
    kept = [[ScoredNeuron(1, 2, 0.5), ScoredNeuron(0, 1, 0.25)], [], [ScoredNeuron(0, 0, 1.0)]]
    found = {name: values.tolist() for name, values in neuron_columns(kept, 3).items()}
    assert found["row"] == [0, 0, 2]
    assert found["neuron"] == [5, 1, 0]
    assert found["rank"] == [1, 2, 1]
    assert found["weight"] == [*dcns_weights([0.5, 0.25]), 0.0]


def test_rows_of_different_lengths_end_in_nan() -> None:
    found = even([np.array([1, 2], np.float32), np.array([3], np.float32)])
    assert np.array_equal(found, np.array([[1, 2], [3, np.nan]], np.float32), equal_nan=True)
