"""Results of models that have not learned their task are told apart, and say so."""

from pathlib import Path
from typing import Any

import pytest

from attridex.client.workbench.fitness import fit_facts, told_fit, unlearned
from tests.client.report.made import made_result

GOOD: dict[str, Any] = {"measure": "right", "model": 0.9, "baseline": 0.4, "counted": 100, "majority": "no"}
POOR = {**GOOD, "model": 0.41}


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, ""),
        ({"fit": GOOD}, ""),
        ({"fit": POOR}, "the model does no better than always 'no'"),
        (
            {"fit": {"measure": "loss", "model": 7.0, "baseline": 6.0, "counted": 9, "majority": ""}},
            "the model does no better than the frequencies of the target tokens",
        ),
        ({"fit": GOOD, "majority": 0.34, "accuracy_of_halves": 0.7}, ""),
        (
            {"majority": 0.34, "accuracy_of_halves": 0.34},
            "the models retrained on halves do no better than always the most frequent label",
        ),
        (
            {"majority": 0.34, "accuracy_of_pool": 0.3},
            "the model retrained on the whole pool does no better than always the most frequent label",
        ),
    ],
)
def test_a_model_that_has_not_learned_is_told(facts: dict[str, Any], said: str, tmp_path: Path) -> None:
    assert unlearned(made_result(tmp_path, "lds", facts=facts)) == said


def test_the_check_of_fit_is_a_fact_of_a_result() -> None:
    assert fit_facts({"fit": POOR}) == {"fit": POOR}
    assert fit_facts({}) == fit_facts({"fit": None}) == {}
    assert told_fit(GOOD).startswith("the model answers 90.0% of 100 labels")
