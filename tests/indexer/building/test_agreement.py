"""Agreement of two rankings: SciPy's Spearman, and the cases that have no order."""

import numpy as np
import pytest
from scipy import stats

from attridex.indexer.building.agreement import compare, ranks, spearman


def test_spearman_is_scipy_s_with_ties() -> None:
    chance = np.random.default_rng(0)
    for _ in range(20):
        left, right = (chance.integers(0, 6, 30).astype(np.float32) for _ in range(2))
        assert spearman(left, right) == pytest.approx(stats.spearmanr(left, right).statistic)
        assert (ranks(left) + 1).tolist() == stats.rankdata(left).tolist()


def test_where_neither_side_has_an_order_none_is_missed() -> None:
    flat, steep = np.ones(4, np.float32), np.arange(4, dtype=np.float32)
    assert (spearman(flat, flat), spearman(flat, steep)) == (1.0, 0.0)


def test_agreement_is_of_all_neurons_of_kept_ones_and_of_the_ten_best() -> None:
    exact = np.arange(40, dtype=np.float32)
    assert compare(exact, exact * 2, 0.1) == (1.0, 1.0, 1.0)
    swapped = exact.copy()
    swapped[-10:] = exact[-10:][::-1]
    assert compare(exact, swapped, 0.5).top10 == 1.0
    assert compare(exact, -exact, 0.5).spearman == pytest.approx(-1)
