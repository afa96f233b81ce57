"""How well scores find flipped labels."""

import pytest

from attridex.client.demo.findings import detect, mean
from attridex.client.workbench.statistics import disagreement


def test_detection_is_perfect_when_the_flipped_score_highest() -> None:
    found = detect([3.0, 1.0, 2.0, 0.5], [True, False, True, False])
    assert (found.auc, found.precision) == (1.0, 1.0)
    assert disagreement("a", ["a", "b"]) == 0.5
    assert disagreement("a", []) == 0.0


def test_detection_is_at_its_worst_when_the_flipped_score_lowest() -> None:
    found = detect([0.5, 2.0, 1.0, 3.0], [True, False, True, False])
    assert (found.auc, found.precision) == (0.0, 0.0)
    assert mean([1, 2, 6]) == pytest.approx(3)
