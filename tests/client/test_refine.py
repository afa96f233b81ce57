"""Refinement over paraphrases: the rule against a plain loop."""

import numpy as np
import pytest

from attridex.client import RefinedNeuron, refine_neurons
from attridex.client.errors import UsageError
from attridex.v1.answers import NeuronScore, NeuronsResult


def prompt(*neurons: tuple[int, int, float]) -> NeuronsResult:
    return NeuronsResult("q", None, tuple(NeuronScore(*neuron) for neuron in neurons))


def test_neurons_of_more_than_half_the_prompts_stay_with_their_mean_score() -> None:
    found = refine_neurons([prompt((0, 1, 0.4), (1, 2, 0.3)), prompt((0, 1, 0.2), (2, 0, 0.9)), prompt((2, 0, 0.5), (0, 1, 0.6))])
    assert [(n.layer, n.unit, n.prompts) for n in found] == [(2, 0, 2), (0, 1, 3)]
    assert [n.score for n in found] == pytest.approx([0.7, 0.4])


def test_exactly_the_share_is_not_enough_and_empty_prompts_count() -> None:
    both = [prompt((0, 1, 1.0)), prompt()]
    assert refine_neurons(both, 0.5) == ()
    assert refine_neurons(both, 0.49) == (RefinedNeuron(0, 1, 1.0, 1),)
    # 0.29 * 100 is a little less than 29 in floating point; 29 of 100 are still no more than 0.29
    assert refine_neurons([prompt((0, 1, 1.0))] * 29 + [prompt()] * 71, 0.29) == ()
    assert refine_neurons([], 0.5) == ()


@pytest.mark.parametrize("share", [-0.1, 1.0, 50.0, float("nan")])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match="from 0 to below 1"):
        refine_neurons([prompt((0, 1, 1.0))], share)


@pytest.mark.parametrize("seed", range(6))
def test_the_rule_is_that_of_a_plain_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    prompts = [{(int(a), int(b)): float(rng.integers(1, 4)) for a, b in rng.integers(0, 4, (6, 2))} for _ in range(5)]
    share = float(rng.choice([0.0, 0.2, 0.5, 0.8]))
    found = refine_neurons([prompt(*((*n, s) for n, s in each.items())) for each in prompts], share)
    expected = []
    for layer in range(4):
        for unit in range(4):
            scores = [each[layer, unit] for each in prompts if (layer, unit) in each]
            if len(scores) > share * 5 + 1e-9:
                expected.append((-np.mean(scores), layer, unit, len(scores)))
    assert [(n.layer, n.unit, n.prompts) for n in found] == [each[1:] for each in sorted(expected)]
