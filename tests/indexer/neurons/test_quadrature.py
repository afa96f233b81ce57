"""Quadrature: weights sum to one, and each rule is exact where it should be."""

import numpy as np
import pytest

from attridex.indexer.neurons.quadrature import GRADIENT, quadrature


@pytest.mark.parametrize("steps", [2, 3, 8])
def test_gauss_legendre_is_exact_up_to_degree_2_steps_minus_1_and_no_further(steps: int) -> None:
    rule = quadrature("gauss-legendre", steps)
    points, weights = np.array(rule.points), np.array(rule.weights)
    for degree in range(2 * steps):
        assert weights @ points**degree == pytest.approx(1 / (degree + 1), rel=1e-12)
    assert weights @ points ** (2 * steps) != pytest.approx(1 / (2 * steps + 1), rel=1e-12)


def test_the_papers_rule_has_both_ends_and_equal_weights() -> None:
    rule = quadrature("riemann", 5)
    assert rule.points == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert rule.weights == (0.2,) * 5


def test_activation_times_gradient_has_the_one_point_whatever_the_steps() -> None:
    assert quadrature("gradient", 20) == GRADIENT
