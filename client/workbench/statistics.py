"""Figures with their intervals: bootstrap, rank correlation, AUC. Pure functions of arrays."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from attridex.indexer.ranks import mean_ranks

Float64 = NDArray[np.float64]
DRAWS = 2000
"""Bootstrap samples behind an interval."""
BLOCK = 1 << 20
"""Numbers drawn at once."""
LEVEL = 95
"""Per cent of an interval."""
Row = Mapping[str, Any]
"""A row of a table, by column."""


@dataclass(frozen=True)
class Interval:
    """A figure with its bootstrap 95 % interval over `n` units (queries, instances, draws)."""

    mean: float
    low: float
    high: float
    n: int

    def columns(self) -> Row:
        """As columns of a table; seven digits, so that a figure reads the same on every machine."""
        return {"mean": rounded(self.mean), "low": rounded(self.low), "high": rounded(self.high), "n": self.n}


def rounded(value: float) -> float | None:
    """Seven significant digits; None for what is not a number."""
    return float(f"{value:.7g}") if np.isfinite(value) else None


def present(values: ArrayLike) -> Float64:
    """Values [n] without those that are NaN."""
    found = np.asarray(values, np.float64)
    return found[~np.isnan(found)]


def mean_columns(values: ArrayLike, seed: int) -> Row:
    """Mean of values [n] with its interval, as columns of a table; see `mean_interval`."""
    return mean_interval(values, seed).columns()


def above_draws(value: float, draws: ArrayLike) -> Interval:
    """By how much one figure is above the mean of draws of the like, with the 95 % prediction interval for one more draw.

    Student's t with d - 1 degrees of freedom times s sqrt(1 + 1/d), for d draws with standard deviation s, on either side. Where
    it holds 0, the figure is one that a further draw might have had.
    """
    from scipy.stats import t

    found = np.asarray(draws, np.float64)
    above, n = value - found.mean(), len(found)
    half = t.ppf(0.975, n - 1) * found.std(ddof=1) * np.sqrt(1 + 1 / n) if n > 1 else np.nan
    return Interval(above, above - half, above + half, n)


def mean_interval(values: ArrayLike, seed: int) -> Interval:
    """Mean of values [n], with its interval; values that are NaN are left out."""
    found = present(values)
    if not len(found):
        return Interval(np.nan, np.nan, np.nan, 0)
    rng = np.random.default_rng(seed)
    # A block of resamples at a time, so that memory stays bounded however many values there are.
    block = max(1, BLOCK // len(found))
    sizes = [min(block, DRAWS - done) for done in range(0, DRAWS, block)]
    means = np.concatenate([found[rng.integers(0, len(found), (size, len(found)))].mean(1) for size in sizes])
    return Interval(float(found.mean()), *bounds(means), len(found))


def interval_of(
    statistic: Callable[[NDArray[np.int64]], float],
    units: int,
    seed: int,
    draws: int = DRAWS,
    *,
    centred: bool = False,
    most: float = np.inf,
) -> Interval:
    """A statistic of resampled units.

    Args:
        statistic: its value for some units, named by number; the same number may stand several times.
        units: how many there are.
        seed: of the resampling.
        draws: bootstrap samples.
        centred: move the interval to the statistic: for counts of what is distinct, which repeated units always lower.
        most: the largest value that a centred statistic can have.
    """
    rng = np.random.default_rng(seed)
    values = present([statistic(rng.integers(0, units, units)) for _ in range(draws)])
    found = float(statistic(np.arange(units)))
    return Interval(found, *(centred_bounds(values, found, most) if centred else bounds(values)), units)


def centred_bounds(values: Float64, found: float, most: float = np.inf) -> tuple[float, float]:
    """The same, moved to the figure and no further than `most`: for statistics that repeated units bias."""
    return bounds(np.minimum(values - values.mean() + found, most)) if len(values) else bounds(values)


def bounds(values: Float64) -> tuple[float, float]:
    """The percentiles that an interval ends at."""
    if not len(values):
        return np.nan, np.nan
    low, high = np.percentile(values, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return float(low), float(high)


def auc(scores: ArrayLike, marked: ArrayLike) -> float:
    """Area under the ROC curve: the chance that a marked one scores above an unmarked one; NaN where there is no pair."""
    wanted = np.asarray(marked, bool)
    ranks, hits = mean_ranks(scores), int(wanted.sum())
    pairs = hits * (len(wanted) - hits)
    return float(ranks[wanted].sum() - hits * (hits + 1) / 2) / pairs if pairs else float("nan")


def ranks_of(scores: NDArray[Any]) -> Float64:
    """Ranks from 1 for the highest score of each row [q, n]; what is NaN gets the last rank n, ties their mean rank."""
    filled = np.where(np.isnan(scores), -np.inf, scores)
    ranks = np.stack([mean_ranks(-row) for row in filled]) if len(filled) else np.zeros(filled.shape)
    return np.where(np.isnan(scores), scores.shape[1], ranks)


def disagreement(label: str, neighbours: Sequence[str]) -> float:
    """Share of neighbours with another label; 0 without any."""
    return sum(other != label for other in neighbours) / len(neighbours) if neighbours else 0.0


def shared(a: Sequence[Any], b: Sequence[Any]) -> float:
    """|A and B| / |A|; NaN for an empty A."""
    return len(set(a) & set(b)) / len(set(a)) if a else float("nan")
