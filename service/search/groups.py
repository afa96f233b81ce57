"""Groups of instances that share a column's value, as the windows of a document: their scores summed, the best ones found.

Letters: n rows, g groups.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attridex.indexer.held.waited import still_waited
from attridex.indexer.index.catalog import quoted
from attridex.indexer.index.layout import ROW
from attridex.service.errors import InvalidArgumentError
from attridex.service.search.planner import check_column
from attridex.service.storage.version import IndexVersion

AT_ONCE = 1 << 16
"""Rows between two looks whether the answer is still waited for."""
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
    text = f"CAST({quoted(column)} AS VARCHAR)"
    distinct = f"SELECT DISTINCT {text} AS name FROM instances WHERE {quoted(column)} IS NOT NULL ORDER BY name"
    names = [name for (name,) in version.select(distinct, [])]
    if not names:
        raise InvalidArgumentError(f"group: the column '{column}' is empty everywhere; name another one", "group")
    number: dict[str | None, int] = {name: at for at, name in enumerate(names)} | {None: -1}
    values = version.select(f"SELECT {text} FROM instances ORDER BY {ROW}", [])
    of = np.empty(len(values), np.int64)
    for at, (name,) in enumerate(values):
        if at % AT_ONCE == 0:
            still_waited()
        of[at] = number[name]
    return Grouping(names, of)


def best_groups(groups: Grouping, rows: Rows, scores: Scores, k: int, *, ascending: bool = False) -> GroupHits:
    """The k groups whose rows sum up highest, ties by name.

    Args:
        groups: of all rows.
        rows: those that count, ascending.
        scores: theirs.
        k: groups at most.
        ascending: give the lowest sums instead.
    """
    number = len(groups.names)
    counts, sums, tops = np.zeros(number, np.int64), np.zeros(number), np.full(number, -np.inf)
    for of, own, _ in pieces(groups, rows, scores):
        counts += np.bincount(of, minlength=number)
        np.add.at(sums, of, own)  # row after row, as one sum over all of them
        np.maximum.at(tops, of, own)
    best = np.full(number, np.iinfo(np.int64).max)
    for of, own, at in pieces(groups, rows, scores):
        highest = own == tops[of]
        np.minimum.at(best, of[highest], at[highest])
    there = np.flatnonzero(counts)
    signed = sums[there] if ascending else -sums[there]
    chosen = there[np.lexsort((there, signed))[:k]]  # names are in order, so that their numbers order ties
    return GroupHits([groups.names[group] for group in chosen], sums[chosen], counts[chosen], best[chosen])


def pieces(groups: Grouping, rows: Rows, scores: Scores) -> Iterator[tuple[Rows, Scores, Rows]]:
    """Groups, scores and numbers of rows that are in a group, some at a time."""
    for start in range(0, len(rows), AT_ONCE):
        still_waited()
        some = rows[start : start + AT_ONCE]
        of = groups.of[some]
        inside = of >= 0
        yield of[inside], scores[start : start + AT_ONCE][inside], some[inside]
