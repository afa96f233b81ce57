"""Agreement of two rankings of one instance's neurons, and the cases that have no order."""

import numpy as np
import pytest

from attridex.indexer.building.agreement import compare, rank_agreement


def test_where_neither_side_has_an_order_none_is_missed() -> None:
    flat, steep = np.ones(4, np.float32), np.arange(4, dtype=np.float32)
    assert (rank_agreement(flat, flat), rank_agreement(flat, steep), rank_agreement(steep, steep)) == (1.0, 0.0, 1.0)


def test_agreement_is_of_all_neurons_of_kept_ones_and_of_the_ten_best() -> None:
    exact = np.arange(40, dtype=np.float32)
    assert compare(exact, exact * 2, 0.1) == pytest.approx((1.0, 1.0, 1.0))
    swapped = exact.copy()
    swapped[-10:] = exact[-10:][::-1]
    found = compare(exact, swapped, 0.5)
    assert found.top10 == 1.0
    assert found.spearman_kept < found.spearman < 1
    assert compare(exact, -exact, 0.5).spearman == pytest.approx(-1)
