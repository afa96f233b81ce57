"""The signer: what it says of a text does not depend on the texts beside it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from attridex.indexer.errors import InputError
from attridex.indexer.signing.edits import NeuronEdit
from tests.indexer.oracles import FAMILIES, signer


@pytest.mark.parametrize("family", FAMILIES)
def test_results_do_not_depend_on_the_batch(family: str, model_dir: Callable[[str], Path]) -> None:
    made = signer(model_dir(family), gradients={"parameters": "linear", "dim": 64})
    rows = [{"id": str(n), "premise": "the dog ran " * n, "hypothesis": "cat", "label": n % 3} for n in range(1, 5)]
    rendered = [made.render(row, "row") for row in rows]
    together, alone = made.sign(rendered), [made.sign([instance])[0] for instance in rendered]
    for one, other in zip(together, alone, strict=True):
        for name in ("gradient", "scores", "hidden", "probabilities"):
            left, right = getattr(one, name), getattr(other, name)
            np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-4 * np.abs(right).max(), err_msg=name)


def test_readings_come_batch_by_batch_and_are_those_of_the_signatures(model_dir: Callable[[str], Path]) -> None:
    made = signer(model_dir("opt"))
    rows = [{"id": str(n), "premise": "the dog ran " * n, "hypothesis": "cat", "label": n % 3} for n in range(1, 5)]
    texts = [made.render(row, "row") for row in rows]
    found = {
        position: reading
        for batch in made.gradient_batches(texts)
        for position, reading in zip(batch.positions, batch.readings, strict=True)
    }
    signatures = made.sign(texts)
    assert sorted(found) == [0, 1, 2, 3]
    for position, neurons in made.scorer.scores(texts, [found[row].decision for row in range(4)]):
        assert np.array_equal(neurons.scores, signatures[position].scores)
        assert np.array_equal(found[position].gradient, signatures[position].gradient)
        assert found[position].loss == signatures[position].loss


def test_neurons_that_the_model_does_not_have_are_named(model_dir: Callable[[str], Path]) -> None:
    made = signer(model_dir("opt"))
    text = made.render({"id": "1", "premise": "the dog", "hypothesis": "cat"}, "row")
    with pytest.raises(InputError, match="neuron 7-1: the model has 3 layers of 40 units, counted from 0"):
        made.edit([text], [[NeuronEdit("suppress", ((7, 1),))]])
