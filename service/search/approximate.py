"""Approximate search, where a request allows it: a structure's candidates, scored exactly."""

from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

from attridex.indexer.errors import nearest
from attridex.indexer.index.approximate import Approximate, wanted
from attridex.indexer.index.records import Manifest
from attridex.indexer.index.vectors import Part
from attridex.service.errors import InvalidArgumentError, NotIndexedError
from attridex.service.requests import Scoring
from attridex.service.search.scan import Hits, Scanner
from attridex.service.storage.version import IndexVersion

METHODS = ("grad-dot", "grad-cos", "influence", "lissa", "trak")
"""Methods that look gradients up; the others are always exact."""
FASTEST = ("ivf", "rabitq", "sq8")
GOOD = 0.9
"""Recall above which the fastest structure is taken where none is named."""
STARVED = 0.1
"""Share of the rows that a filter must let through for candidates to be worth looking for."""


def structure_of(manifest: Manifest, scoring: Scoring, curvature: str) -> tuple[str, float | None]:
    """The structure that a request is answered by, and its recall; none ("") where it is to be exact.

    Raises:
        InvalidArgumentError: an unknown structure, one that does not serve the method, or `exact` with a structure's name.
        NotIndexedError: the index was built without it.
    """
    asked = scoring.approximate
    if asked and asked not in FASTEST:
        raise InvalidArgumentError(f"approximate: unknown '{asked}'; {nearest(asked, FASTEST)}", "approximate")
    if asked and scoring.exact:
        raise InvalidArgumentError(f"exact = true with approximate = '{asked}'; give one", "approximate")
    if not asked and scoring.exact is not False:
        return "", None
    if scoring.method not in METHODS:
        raise InvalidArgumentError(
            f"approximate: method '{scoring.method}' is always exact; {', '.join(METHODS)} can be approximate", "approximate"
        )
    if asked == "ivf" and scoring.method != "grad-cos":
        raise InvalidArgumentError(
            "approximate: 'ivf' serves method 'grad-cos' alone (its lists go by direction); use 'sq8' or 'rabitq'", "approximate"
        )
    measured = "grad-dot" if scoring.method == "grad-dot" else curvature or scoring.method
    recalls = {kind: manifest.recall[f"{kind}/{measured}"] for kind in FASTEST if f"{kind}/{measured}" in manifest.recall}
    if not recalls or (asked and asked not in recalls):
        raise NotIndexedError(
            f'approximate: the index was built without {asked or "a structure"} for this method; build with index.approximate = '
            f'["{asked or "sq8"}"]', "approximate"
        )  # fmt: skip
    good = [kind for kind, recall in recalls.items() if recall >= GOOD]
    kind = asked or (good[0] if good else max(recalls, key=recalls.__getitem__))
    return kind, recalls[kind]


def approximate_top(
    version: IndexVersion,
    scanner: Scanner,
    kind: str,
    parts: Sequence[Part],
    queries: NDArray[np.float64],
    k: int,
    mask: NDArray[np.bool_] | None,
    *,
    weighted: bool,
    ascending: bool,
) -> list[Hits] | None:
    """The best of a structure's candidates for each query [q, d], or None where a filter leaves too few of them."""
    allowed = version.rows if mask is None else int(mask.sum())
    share = allowed / version.rows
    if share < STARVED:
        return None
    signed = -queries if ascending else queries
    count = min(version.rows, ceil(wanted(kind, k) / share))
    answers = []
    for query in signed:
        rows = candidates(version.approximate(kind), query, count, weighted, scanner)
        rows = rows if mask is None else rows[mask[rows]]
        if len(rows) < min(k, allowed):
            return None
        hits = scanner.best(parts, query, rows, k, version.ids_of)
        answers.append(Hits(hits.rows, -hits.scores) if ascending else hits)
    return answers


def candidates(
    structure: Approximate, query: NDArray[np.float64], count: int, weighted: bool, scanner: Scanner
) -> NDArray[np.int64]:
    """Candidates for one query."""
    length = float(np.linalg.norm(query))
    unit = (query / length if length > 0 else query).astype(np.float32)
    return structure.candidates(unit, count, weighted=weighted, pool=scanner.pool, threads=scanner.threads)
