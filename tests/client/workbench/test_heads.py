import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from attridex.client.workbench import heads

RNG = np.random.default_rng(0)


def test_a_head_is_trained_to_the_optimum_of_scikit_learn() -> None:
    states, labels, ridge = RNG.normal(size=(200, 6)), RNG.integers(0, 3, 200), 0.05
    expected = LogisticRegression(C=1 / (ridge * 200), fit_intercept=False, tol=1e-10, max_iter=5000).fit(states, labels).coef_
    found = heads.fit_head(states[:, None], labels, 3, ridge)
    assert found == pytest.approx(expected, abs=1e-4)


def test_a_head_over_choices_is_at_a_stationary_point() -> None:
    states, labels, ridge = RNG.normal(size=(80, 4, 5)), RNG.integers(0, 4, 80), 0.05
    found = heads.fit_head(states, labels, 1, ridge)

    def loss(weights: np.ndarray) -> float:
        return heads.head_losses(states, labels, weights).mean() + ridge / 2 * float((weights**2).sum())

    for direction in np.eye(5):
        slope = (loss(found + 1e-4 * direction) - loss(found - 1e-4 * direction)) / 2e-4
        assert slope == pytest.approx(0, abs=1e-5)
