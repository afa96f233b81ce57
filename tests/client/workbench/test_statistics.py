"""Figures against independent implementations."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from attridex.client.workbench.statistics import above_draws, auc, interval_of, mean_interval, ranks_of, shared

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("ties", [False, True])
def test_auc_is_that_of_scikit_learn(ties: bool) -> None:
    scores = RNG.integers(0, 5, 60) if ties else RNG.normal(size=60)
    marked = RNG.random(60) < 0.3
    assert auc(scores, marked) == pytest.approx(roc_auc_score(marked, scores), abs=1e-12)


def test_what_has_no_answer_is_nan() -> None:
    assert np.isnan(auc([1.0, 2.0], [True, True]))
    assert np.isnan(shared([], [1]))


def test_one_more_draw_lies_in_its_interval_as_often_as_is_said() -> None:
    inside = []
    for _ in range(4000):
        *draws, one_more = RNG.normal(size=4)
        found = above_draws(one_more, draws)
        inside.append(found.low < 0 < found.high)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)
    assert np.isnan(above_draws(0.5, [0.4]).low), "one draw tells nothing of how they differ"


def test_a_moved_interval_ends_where_the_statistic_does() -> None:
    found = interval_of(lambda chosen: len(set(chosen)) / len(chosen), 20, 0, 200, centred=True, most=1.0)
    assert found.mean == found.high == 1.0
    assert found.low < 1.0


def test_a_mean_s_interval_is_that_of_the_normal_law_for_many_values() -> None:
    values = RNG.normal(3, 2, 2000)
    found = mean_interval(values, seed=0)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert found.mean == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((found.mean - half, found.mean + half), abs=0.2 * half)
    assert mean_interval(values, seed=0) == found, "the same seed gives the same interval"


def test_values_that_are_nan_are_left_out() -> None:
    assert mean_interval([1.0, np.nan, 3.0], seed=0).n == 2
    assert mean_interval([np.nan], seed=0).columns() == {"mean": None, "low": None, "high": None, "n": 0}


def test_an_interval_of_distinct_things_holds_the_count_itself() -> None:
    lists = RNG.integers(0, 300, (50, 10))

    def share(chosen: np.ndarray) -> float:
        return len(np.unique(lists[chosen])) / lists[chosen].size

    plain, centred = (interval_of(share, 50, 0, 300, centred=centred) for centred in (False, True))
    assert plain.high < plain.mean, "resampled queries repeat, so fewer things are distinct"
    assert centred.low < centred.mean < centred.high


def test_ranks_count_from_the_highest_and_put_what_is_absent_last() -> None:
    ranks = ranks_of(np.array([[0.5, np.nan, 2.0, 0.5, np.nan]], np.float32))
    assert ranks.tolist() == [[2.5, 5.0, 1.0, 2.5, 5.0]]
