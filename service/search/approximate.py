"""Approximate search, where a request allows it: a structure's candidates, scored exactly.

Letters: q queries, n rows of the index, m candidates, d dimensions.
"""

from math import ceil

import numpy as np
from jaxtyping import Bool, Float64, Int64

from attridex.indexer.approximate.structures import Approximate, wanted
from attridex.indexer.array_types import Doubles, Flags, Integers
from attridex.indexer.held.waited import still_waited
from attridex.service.search.scan import Hits, Scanner
from attridex.service.storage.far import Stored
from attridex.service.storage.version import IndexVersion

STARVED = 0.1
"""Share of the rows that a filter must let through for candidates to be worth looking for."""


def approximate_top(
    version: IndexVersion,
    scanner: Scanner,
    kind: str,
    stored: Stored,
    queries: Float64[Doubles, "q d"],
    k: int,
    mask: Bool[Flags, " n"] | None,
    *,
    weighted: bool,
    ascending: bool,
) -> list[Hits] | None:
    """The best of a structure's candidates for each query, or None where a filter leaves too few of them.

    Args:
        version: the index.
        scanner: scores the candidates exactly, in its threads.
        kind: the structure.
        stored: the vectors that it was made of.
        queries: in the same space.
        k: rows a query.
        mask: rows that may be hits.
        weighted: whether a row's norm counts.
        ascending: give the lowest scores instead.
    """
    allowed = version.rows if mask is None else int(mask.sum())
    share = allowed / version.rows
    if share < STARVED:
        return None
    signed = -queries if ascending else queries
    count = min(version.rows, ceil(wanted(kind, k) / share))
    structure = version.approximate(kind)
    later = later_rows(scanner, stored, signed, k, len(structure.order), version, mask)
    answers = []
    for query, others in zip(signed, later, strict=True):
        still_waited()
        rows = np.concatenate([candidates(structure, query, count, weighted, scanner), others])
        rows = rows if mask is None else rows[mask[rows]]
        if len(rows) < min(k, allowed):
            return None
        hits = scanner.best(stored, query, rows, k, version.ids_of)
        answers.append(Hits(hits.rows, -hits.scores) if ascending else hits)
    return answers


def later_rows(
    scanner: Scanner,
    stored: Stored,
    queries: Float64[Doubles, "q d"],
    k: int,
    first: int,
    version: IndexVersion,
    mask: Bool[Flags, " n"] | None,
) -> list[Int64[Integers, " m"]]:
    """The best of the rows that were appended since the structure was made, for each query.

    Args:
        scanner: scans them.
        stored: the vectors, of which whole shards were appended.
        queries: in the same space.
        k: rows a query.
        first: of those rows.
        version: the index.
        mask: rows that may be hits.
    """
    if first >= version.rows:
        return [np.zeros(0, np.int64) for _ in queries]
    found = scanner.top(stored, queries, k, version.ids_of, still_waited, mask=mask, since=first)
    return [hits.rows for hits in found]


def candidates(
    structure: Approximate, query: Float64[Doubles, " d"], count: int, weighted: bool, scanner: Scanner
) -> Int64[Integers, " m"]:
    """Candidates for one query.

    Args:
        structure: what finds them.
        query: in the structure's space.
        count: how many.
        weighted: whether a row's norm counts.
        scanner: whose threads are used.
    """
    length = float(np.linalg.norm(query))
    unit = (query / length if length > 0 else query).astype(np.float32)
    return structure.candidates(unit, count, weighted=weighted, pool=scanner.pool, threads=scanner.threads)
