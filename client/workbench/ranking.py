"""One ranking of all training instances from their scores for many queries: sums of ranks."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from attridex.client.workbench.context import Context
from attridex.client.workbench.methods import StudyMethod
from attridex.client.workbench.scores import all_scores
from attridex.client.workbench.statistics import Float64, ranks_of

Rows = NDArray[np.int64]


def rank_sums(context: Context, method: StudyMethod, rows: Rows) -> Float64:
    """Ranks of instances among `rows`, [queries, rows]: 1 is best; an instance that is no hit has the last rank."""
    return ranks_of(all_scores(context, method, context.label)[:, rows])


def order(ranks: Float64, queries: Sequence[int] | Rows | None = None) -> Rows:
    """Positions from the most to the least influential, by the sum of ranks over queries; ties by position."""
    sums = ranks.sum(0) if queries is None else ranks[queries].sum(0)
    return np.argsort(sums, kind="stable")


def drawn_pool(count: int, wanted: int, seed: int) -> Rows:
    """Positions of the instances that take part: so many, drawn by the seed, in their order; all for 0."""
    if not 0 < wanted < count:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).permutation(count)[:wanted])
