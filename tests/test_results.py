"""Results that are committed: the page of findings, the README and its page of results say what they say."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.recipes import findings, readme

RESULTS = Path(__file__).parent / "results"
ROW = {"mean": 0.5, "n": 10}


@pytest.mark.parametrize(
    ("low", "high", "above", "expected"),
    [
        (0.81, 0.9, True, findings.HOLDS),
        (0.7, 0.79, True, findings.FAILS),
        (0.7, 0.9, True, findings.OPEN),
        (0.1, 0.2, False, findings.HOLDS),
        (0.81, 0.9, False, findings.FAILS),
    ],
)
def test_a_finding_is_judged_by_the_whole_interval(low: float, high: float, above: bool, expected: str) -> None:
    assert findings.verdict({"low": low, "high": high, **ROW}, 0.8, above=above) == expected


def accuracy(low: float, whole: float = 0.6, above_draws: float = 0.05) -> Mapping[str, Any]:
    """Results of one subset, and of the whole pool."""
    subset = {"method": "grad-cos", "end": "most", "fraction": 0.5, "high": 0.3, **ROW}
    compared = {**subset, "measure": "above random", "low": low}
    draws = {**subset, "measure": "above draws", "low": above_draws}
    pool = {"method": "whole pool", "end": "", "fraction": 1.0, "measure": "accuracy", "low": whole, "high": 0.9, **ROW}
    return {"finetune-subsets": {"tables": {"accuracy": [pool, compared, draws]}, "facts": {"majority": 0.4}}}


def test_subsets_count_as_better_only_where_the_whole_interval_is() -> None:
    assert findings.subsets(accuracy(-0.1)) == "0 of 1 better: **holds**"
    assert findings.subsets(accuracy(0.1)) == "1 of 1 better (grad-cos 50% by 0.5 (0.1 to 0.3)): **does not hold**"
    assert findings.subsets({}) == "not measured"


def test_a_subset_that_is_better_by_no_more_than_random_ones_differ_leaves_it_open() -> None:
    assert findings.subsets(accuracy(0.1, above_draws=-0.1)) == (
        "1 of 1 better (grad-cos 50% by 0.5 (0.1 to 0.3)), by no more than random subsets differ: **open**"
    )


def test_models_that_learned_nothing_leave_it_open() -> None:
    found = findings.subsets(accuracy(-0.1, whole=0.3))
    assert found.startswith(
        "0 of 1 better, but trained on the whole pool the model is right on 0.5 (0.3 to 0.9), one answer to all on 0.4"
    )
    assert found.endswith("**open**")


def test_the_page_of_findings_is_made_from_the_results_beside_it() -> None:
    results = {task: found for task in findings.TASKS if (found := findings.read(RESULTS / task))}
    page = RESULTS / "README.md"
    assert (page.read_text() if page.exists() else None) == (findings.page(results) if results else None)


@pytest.mark.parametrize("page", ["README.md", "docs/results.md", "docs/capacity.md"])
def test_the_figures_of_a_page_are_those_of_the_results(page: str) -> None:
    text = (RESULTS.parents[1] / page).read_text()
    assert readme.MARKED.findall(text)
    assert readme.filled(text) == text


def test_a_figure_of_a_page_that_is_not_that_of_the_results_is_seen() -> None:
    text = "Before 0.5.\n<!-- results: lds -->\n0.9\n<!-- end -->\nafter 0.7\n"
    made = readme.filled(text)
    assert made.startswith("Before 0.5.\n<!-- results: lds -->\n| method | numbers an instance | LDS | above `grad-dot` |")
    assert made.endswith("<!-- end -->\nafter 0.7\n")
