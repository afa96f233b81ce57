"""The order of hits: best first, ties by the instances' ids.

Letters: m candidates.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float64, Int64

from attridex.indexer.array_types import Doubles, Integers
from attridex.indexer.held.waited import still_waited

Positions = Int64[Integers, " _"]


def ranked(scores: Float64[Doubles, " m"], ids: Callable[[Positions], Sequence[str]], k: int) -> Positions:
    """Positions of the k highest scores, in descending order; those with the same score in the order of their ids.

    Args:
        scores: of the candidates.
        ids: ids of the candidates at some positions; asked only for those whose scores are the same.
        k: positions at most.
    """
    order = np.argsort(-scores, kind="stable")
    values = scores[order]
    starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]])) if len(order) else order
    stops = np.append(starts[1:], len(order))
    for start, stop in zip(starts[stops - starts > 1], stops[stops - starts > 1], strict=True):
        if start >= k:
            break
        still_waited()
        tied = order[start:stop]
        names = ids(tied)
        order[start:stop] = tied[sorted(range(len(tied)), key=names.__getitem__)]
    return order[:k]
