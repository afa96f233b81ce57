"""Intervals over everything that was drawn: queries, halves, draws and training seeds are each resampled by themselves.

Units of different kinds are crossed (every query is asked of every half's model), so one bootstrap sample takes every kind anew.
A kind of which there is one has no chance of its own in an interval. Letters: Q queries, H halves, S seeds, D bootstrap samples.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from attridex.client.workbench.statistics import Float64, Interval, bounds, mean_interval, present

DRAWS = 1000
"""Bootstrap samples behind an interval over several kinds of units."""


def crossed_interval(values: ArrayLike, seed: int) -> Interval:
    """Mean of values [units, ...], each axis being a kind of units that is resampled; the last axis is counted as n."""
    found = np.asarray(values, np.float64)
    found = found.reshape([size for size in found.shape[:-1] if size > 1] + [found.shape[-1]])
    if found.ndim == 1:
        return mean_interval(found, seed)
    rng = np.random.default_rng(seed)
    weights = [shares(rng, size) for size in found.shape]
    means = np.array([weighted_mean(found, [each[draw] for each in weights]) for draw in range(DRAWS)])
    return Interval(float(found.mean()), *bounds(means), found.shape[-1])


def shares(rng: np.random.Generator, size: int) -> Float64:
    """How much each of some units counts in each bootstrap sample [D, size]; their sum is 1."""
    if size == 1:
        return np.ones((DRAWS, 1))
    return np.asarray(rng.multinomial(size, np.full(size, 1 / size), DRAWS) / size, np.float64)


def weighted_mean(values: Float64, weights: Sequence[Float64]) -> float:
    """The mean of values [units, ...] with weights along each axis."""
    for weight in weights:
        values = np.tensordot(weight, values, 1)
    return float(values)


def grouped_interval(
    statistic: Callable[[int, NDArray[np.int64]], float], sizes: Sequence[int], seed: int, draws: int
) -> Interval:
    """The mean of a statistic over groups that each have units of their own: groups are resampled, and the units in each.

    Args:
        statistic: of a group, by its number, and some of its units; the same unit may stand several times.
        sizes: units of each group.
        seed: of the resampling.
        draws: bootstrap samples.
    """
    rng, groups = np.random.default_rng(seed), len(sizes)

    def sample() -> float:
        chosen = rng.integers(0, groups, groups)
        return float(np.mean([statistic(group, rng.integers(0, sizes[group], sizes[group])) for group in chosen]))

    whole = float(np.mean([statistic(group, np.arange(size)) for group, size in enumerate(sizes)]))
    return Interval(whole, *bounds(present([sample() for _ in range(draws)])), int(np.mean(sizes)))


@dataclass(frozen=True)
class Places:
    """Values [H, Q] by their order among the halves, from which ranks under any resampling follow without sorting again."""

    order: NDArray[np.int64]

    @classmethod
    def of(cls, values: Float64) -> "Places":
        """Of values [H, Q]; equal ones share a place."""
        return cls(np.stack([np.unique(column, return_inverse=True)[1] for column in values.T], 1).reshape(values.shape))

    def ranks(self, counts: Float64) -> Float64:
        """Mean ranks [H, Q] where half h stands counts[h] times; shifted and scaled alike for all, which no correlation sees."""
        halves, queries = self.order.shape
        at = self.order + halves * np.arange(queries)
        sums = np.bincount(at.reshape(-1), np.repeat(counts, queries), halves * queries).reshape(queries, halves)
        return np.asarray((sums.cumsum(1) - sums / 2).reshape(-1)[at], np.float64)


def rank_correlations(a: Float64, b: Float64, counts: Float64) -> Float64:
    """Correlations [Q] of ranks [H, Q] where half h stands counts[h] times; 0 where a side is constant."""
    share = counts / counts.sum()
    a, b = a - share @ a, b - share @ b
    size = np.sqrt((share @ a**2) * (share @ b**2))
    return np.asarray(np.divide(share @ (a * b), size, out=np.zeros_like(size), where=size > 1e-12), np.float64)


@dataclass(frozen=True)
class Agreements:
    """Mean rank correlations of several methods under the same resampling.

    Attributes:
        figures: of each method, of all units.
        samples: of each method, for every bootstrap sample [D].
        units: queries.
    """

    figures: Mapping[str, float]
    samples: Mapping[str, Float64]
    units: int

    def interval(self, method: str, reference: str = "") -> Interval:
        """A method's mean, or by how much it is above a reference's."""
        mean, drawn = self.figures[method], self.samples[method]
        if reference:
            mean, drawn = mean - self.figures[reference], drawn - self.samples[reference]
        return Interval(mean, *bounds(drawn), self.units)


def agreements(foretold: Mapping[str, Float64], measured: Float64, seed: int) -> Agreements:
    """Rank correlations over halves of what methods foretell [H, Q] with what was measured [S, H, Q], means over S and Q.

    Queries, halves and seeds are resampled, for all methods alike: differences between methods are paired over all of them.

    Args:
        foretold: by method.
        measured: with each training seed.
        seed: of the resampling.
    """
    seeds, halves, queries = measured.shape
    rng = np.random.default_rng(seed)
    drawn: tuple[Any, ...] = (shares(rng, seeds), shares(rng, halves) * halves, shares(rng, queries))
    places, truths = {name: Places.of(values) for name, values in foretold.items()}, [Places.of(each) for each in measured]

    def means(of_seeds: Float64, counts: Float64, of_queries: Float64) -> dict[str, float]:
        there = [(share, truth.ranks(counts)) for share, truth in zip(of_seeds, truths, strict=True) if share]
        ranks = {name: each.ranks(counts) for name, each in places.items()}
        return {
            name: float(sum(share * (rank_correlations(own, truth, counts) @ of_queries) for share, truth in there))
            for name, own in ranks.items()
        }

    whole = means(np.full(seeds, 1 / seeds), np.ones(halves), np.full(queries, 1 / queries))
    samples = [means(*parts) for parts in zip(*drawn, strict=True)]
    return Agreements(whole, {name: np.array([each[name] for each in samples]) for name in foretold}, queries)
