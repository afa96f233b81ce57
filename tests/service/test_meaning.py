"""A language model's answers are about its target, everyone else's about a label."""

import pytest

from attridex.service.meaning import PROBABILITIES, Meaning
from attridex.service.neurons.aggregates import AGGREGATES
from attridex.service.neurons.attribution import NEURON_METHODS

WORDINGS = [PROBABILITIES, *NEURON_METHODS.values(), *(each.wording for each in AGGREGATES.values())]


@pytest.mark.parametrize("wording", WORDINGS, ids=lambda each: each.usual.sign)
def test_words_fit_the_task(wording: object) -> None:
    usual, target = (wording.of(task) for task in ("multiple-choice", "causal-lm"))  # type: ignore[attr-defined]
    assert "target" in f"{target.sign} {target.scale}"
    assert "target" not in f"{usual.sign} {usual.scale}"
    assert not {"predicted", "softmax"} & {*target.sign.split(), *target.scale.split()}


def test_more_can_be_said_of_a_scale() -> None:
    assert Meaning("up", "cosine").adding("; seed = 1") == Meaning("up", "cosine; seed = 1")
