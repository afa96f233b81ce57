"""Ranks and their correlation: what the index and the studies compare orders by."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float64 = NDArray[np.float64]


def mean_ranks(values: ArrayLike) -> Float64:
    """Ranks from 1 in ascending order [n], equal values sharing the mean of theirs."""
    _, inverse, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    ranks: Float64 = np.cumsum(counts) - (counts - 1) / 2
    return ranks[inverse.reshape(-1)]


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Spearman's rho of two sequences, ties given their mean rank; NaN where one is constant."""
    left, right = (mean_ranks(values) - (np.size(values) + 1) / 2 for values in (a, b))
    size = float(np.sqrt((left**2).sum() * (right**2).sum()))
    return float(left @ right) / size if size else float("nan")
