"""A mixture of experts, signed: what is known of a text does not depend on what else was in its batch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attridex.indexer.signing.edits import NeuronEdit
from tests.conftest import SHOWN, records
from tests.indexer.mixtures import LANGUAGE, MIXTURES
from tests.indexer.oracles import signer


@pytest.mark.parametrize("family", MIXTURES)
def test_gradients_neurons_and_edits_do_not_depend_on_the_batch(family: str, model_dir: Callable[..., Path]) -> None:
    task = "causal-lm" if family in LANGUAGE else "sequence-classification"
    sections: dict[str, Any] = {
        "model": {"path": str(model_dir(family, task)), "task": task},
        "corpus": {"files": ["x.jsonl"], **SHOWN[task]},
        "gradients": {"parameters": "linear", "dim": 900},
        "neurons": {"steps": 3},
    }
    made = signer(model_dir(family, task), **sections)
    asked = [made.render(row, "test") for row in records(4)]
    together = made.sign(asked)
    for each, one in zip(together, asked, strict=True):
        (alone,) = made.sign([one])
        for name in ("gradient", "scores", "activation", "attribution", "hidden"):
            expected = getattr(alone, name)
            np.testing.assert_allclose(getattr(each, name), expected, rtol=1e-4, atol=2e-5 * np.abs(expected).max())
        nothing = NeuronEdit("suppress", ())
        best = NeuronEdit("suppress", tuple((neuron.layer, neuron.unit) for neuron in each.top(3)))
        found = made.edit([one], [[nothing, best]])[0].probabilities
        np.testing.assert_allclose(found[1], found[0], rtol=1e-4, atol=1e-6)
        assert np.abs(found[2] - found[0]).max() > 0
