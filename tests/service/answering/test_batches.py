"""What is asked beside a query changes no bit of its answer."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attridex.service.answering.served import ServedIndex
from attridex.service.edge.server import open_index
from attridex.v1.requests import (
    AttributeInstancesRequest,
    FindInstancesByNeuronsRequest,
    FindNeuronsByInstancesRequest,
    ListInstancesRequest,
    Query,
    RankInstancesRequest,
    Scoring,
)
from tests.service.groups.test_same_answers import plain

SCORINGS = (
    Scoring("grad-dot"), Scoring("grad-cos"), Scoring("rep-sim"), Scoring("bm25"), Scoring("random", seed=3),
    *(Scoring(method, curvature=curvature) for method in ("influence", "lissa") for curvature in ("hessian", "fisher")),
)  # fmt: skip
REQUESTS = (
    *(AttributeInstancesRequest((), k=30, scoring=scoring) for scoring in SCORINGS),
    *(FindNeuronsByInstancesRequest((), scoring=scoring) for scoring in SCORINGS[:1] + SCORINGS[-1:]),
    *(FindInstancesByNeuronsRequest((), similarity=similarity) for similarity in ("dcns", "activation", "attribution")),
)


@pytest.fixture(scope="module")
def served(shared: Path) -> Iterator[ServedIndex]:
    opened = open_index(shared / "index", "mine", model=False)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def queries(served: ServedIndex) -> tuple[Query, ...]:
    """All instances."""
    page: Any = served.answer(ListInstancesRequest(page_size=30))
    return tuple(Query.instance(each.id) for each in page.instances)


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
def test_a_query_is_answered_the_same_alone_and_among_others(
    request_: Any, served: ServedIndex, queries: tuple[Query, ...]
) -> None:
    together: Any = served.answer(replace(request_, queries=queries))
    for some in (queries[:1], queries[7:8], queries[5:22], queries[29:]):
        alone: Any = served.answer(replace(request_, queries=some))
        at = queries.index(some[0])
        assert plain(alone.results) == plain(together.results[at : at + len(some)])


@pytest.mark.parametrize("scoring", SCORINGS, ids=lambda scoring: f"{scoring.method} {scoring.curvature}")
def test_a_ranking_in_float64_is_the_same_alone_and_among_others(
    scoring: Scoring, served: ServedIndex, queries: tuple[Query, ...]
) -> None:
    def ranked(some: tuple[Query, ...]) -> np.ndarray[Any, Any]:
        found = np.full((len(some), len(queries)), np.nan)
        for block in served.rank(RankInstancesRequest(some, scoring=scoring, dtype="float64")):
            stop = block.first_query + len(block.query_ids)
            found[block.first_query : stop, block.rows] = block.values.reshape(-1, len(block.rows))
        return found

    together = ranked(queries)
    assert not np.isnan(together).any()
    assert np.array_equal(ranked(queries[7:8]), together[7:8])
    assert np.array_equal(ranked(queries[5:22]), together[5:22])
