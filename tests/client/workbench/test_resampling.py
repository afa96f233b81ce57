"""Intervals hold the chance of everything that was drawn: queries, halves, draws, seeds."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from attridex.client.workbench.resampling import Places, agreements, crossed_interval, grouped_interval, rank_correlations
from attridex.client.workbench.statistics import mean_interval


def width(found: object) -> float:
    """Of an interval."""
    return float(found.high - found.low)  # type: ignore[attr-defined]


def test_one_kind_of_units_has_the_interval_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(size=40)
    assert crossed_interval(values[None, None], 3) == mean_interval(values, 3)


def test_what_all_queries_share_widens_an_interval() -> None:
    rng = np.random.default_rng(1)
    seeds, queries = rng.normal(size=(8, 1)), 0.1 * rng.normal(size=(1, 200))
    found = crossed_interval(seeds + queries, 0)
    assert found.mean == pytest.approx(float((seeds + queries).mean()))
    assert found.n == 200
    normal = 2 * 1.96 * seeds.std() / np.sqrt(8)
    assert width(found) == pytest.approx(normal, rel=0.2), "of the mean of eight seeds; 200 queries add next to nothing"
    assert width(mean_interval((seeds + queries).mean(0), 0)) < normal / 10


def test_ranks_under_a_resampling_are_those_of_the_repeated_halves() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(12, 5)), np.round(rng.normal(size=(12, 5)), 1)  # ties, too
    b[:, 4] = 1.0
    counts = rng.multinomial(12, [1 / 12] * 12).astype(float)
    found = rank_correlations(Places.of(a).ranks(counts), Places.of(b).ranks(counts), counts)
    rows = np.repeat(np.arange(12), counts.astype(int))
    want = [spearmanr(a[rows, query], b[rows, query]).statistic for query in range(4)]
    assert found == pytest.approx([*want, 0.0])


def test_an_lds_interval_holds_the_chance_of_the_halves() -> None:
    rng = np.random.default_rng(3)
    halves, queries = 24, 150
    truth = rng.normal(size=(halves, 1)) + 0.2 * rng.normal(size=(halves, queries))  # what the halves have in common
    noise = rng.normal(size=(halves, 1)) + 0.2 * rng.normal(size=(halves, queries))
    foretold = {"good": truth + noise, "same": truth + noise, "exact": truth}
    found = agreements(foretold, truth[None], 0)
    good = found.interval("good")
    assert good.mean == pytest.approx(np.mean([spearmanr(truth[:, q], foretold["good"][:, q]).statistic for q in range(queries)]))
    assert 0.2 < width(good) < 0.9, "24 halves tell a correlation of .7 no better"
    assert good.low < good.mean < good.high
    assert found.interval("exact").mean == pytest.approx(1.0)
    assert found.interval("same", "good") == found.interval("good", "good"), "paired differences hold no chance that both share"
    assert width(found.interval("same", "good")) == 0


def test_training_seeds_are_resampled_too() -> None:
    rng = np.random.default_rng(4)
    foretold = {"method": rng.normal(size=(60, 30))}
    alike = np.stack([foretold["method"], foretold["method"]])
    differing = np.stack([foretold["method"], -foretold["method"]])
    assert width(agreements(foretold, alike, 0).interval("method")) == pytest.approx(0, abs=1e-9)
    found = agreements(foretold, differing, 0).interval("method")
    assert (found.mean, found.low, found.high) == pytest.approx((0, -1, 1), abs=1e-9)


def test_groups_and_the_units_in_each_are_resampled() -> None:
    values = [np.zeros(50), np.ones(50)]
    found = grouped_interval(lambda group, units: float(values[group][units].mean()), [50, 50], 0, 200)
    assert (found.mean, found.low, found.high, found.n) == (0.5, 0.0, 1.0, 50)
