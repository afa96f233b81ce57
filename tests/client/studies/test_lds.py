import numpy as np
import pytest

from attridex.client.studies import lds


def test_scores_that_are_the_data_model_have_an_lds_of_one() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(3, 40)).astype(np.float32)
    halves = [np.sort(rng.permutation(40)[:20]) for _ in range(30)]
    losses = np.stack([-scores[:, half].sum(1) for half in halves])
    assert lds.lds_of_queries(scores, halves, losses) == pytest.approx(np.ones(3))
    assert lds.lds_of_queries(-scores, halves, losses) == pytest.approx(-np.ones(3))
