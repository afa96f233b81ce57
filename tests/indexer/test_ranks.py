import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from attridex.indexer.ranks import mean_ranks, spearman

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("ties", [False, True])
def test_ranks_and_their_correlation_are_those_of_scipy(ties: bool) -> None:
    a, b = (RNG.integers(0, 5, 60) if ties else RNG.normal(size=60) for _ in range(2))
    np.testing.assert_array_equal(mean_ranks(a), rankdata(a))
    assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)


def test_what_is_no_hit_ranks_below_all_and_what_has_no_order_has_no_correlation() -> None:
    assert mean_ranks([0.5, -np.inf, 2.0, -np.inf]).tolist() == [3.0, 1.5, 4.0, 1.5]
    assert np.isnan(spearman([1, 1, 1], [1, 2, 3]))
