"""Groups of instances that share a column's value, as the windows of a document: their scores summed, the best ones found.

Letters: n rows, g groups.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attridex.indexer.index.catalog import quoted
from attridex.service.errors import InvalidArgumentError
from attridex.service.search.planner import check_column
from attridex.service.storage.version import IndexVersion

Rows = NDArray[np.int64]
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Grouping:
    """Which group each row is of.

    Attributes:
        names: of the groups, in order [g].
        of: number of each row's group [n]; -1 where the column is empty.
    """

    names: list[str]
    of: NDArray[np.int64]


@dataclass(frozen=True)
class GroupHits:
    """The best groups of one query, best first.

    Attributes:
        names: of the groups.
        scores: sums over their rows, in float64.
        counts: rows that were summed.
        best: row of each that scores highest.
    """

    names: list[str]
    scores: Scores
    counts: NDArray[np.int64]
    best: Rows


def grouping(version: IndexVersion, column: str) -> Grouping:
    """The rows of an index by a column's value; rows without one are in no group.

    Raises:
        InvalidArgumentError: there is no such column, or it is empty everywhere.
    """
    check_column(version.manifest, column, "group")
    values = [row[0] for row in version.select(f"SELECT CAST({quoted(column)} AS VARCHAR) FROM instances ORDER BY row", [])]
    names = sorted({value for value in values if value is not None})
    if not names:
        raise InvalidArgumentError(f"group: the column '{column}' is empty everywhere; name another one", "group")
    number = {name: at for at, name in enumerate(names)}
    return Grouping(names, np.array([-1 if value is None else number[value] for value in values], np.int64))


def best_groups(groups: Grouping, rows: Rows, scores: Scores, k: int, *, ascending: bool = False) -> GroupHits:
    """The k groups whose rows sum up highest, ties by name.

    Args:
        groups: of all rows.
        rows: those that count, ascending.
        scores: theirs.
        k: groups at most.
        ascending: give the lowest sums instead.
    """
    inside = groups.of[rows] >= 0
    rows, scores = rows[inside], scores[inside]
    of = groups.of[rows]
    counts = np.bincount(of, minlength=len(groups.names))
    sums = np.bincount(of, weights=scores, minlength=len(groups.names)).astype(np.float64)
    there = np.flatnonzero(counts)
    signed = sums[there] if ascending else -sums[there]
    chosen = there[np.lexsort((there, signed))[:k]]  # names are in order, so that their numbers order ties
    highest = dict[int, int]()
    for at in np.lexsort((rows, -scores)):
        highest.setdefault(int(of[at]), int(rows[at]))
    best = np.array([highest[int(group)] for group in chosen], np.int64)
    return GroupHits([groups.names[group] for group in chosen], sums[chosen], counts[chosen], best)
