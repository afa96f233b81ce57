"""A run of studies whose server is a function of requests."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from attridex.client.workbench.context import Asked, Context
from attridex.client.workbench.settings import Common
from attridex.v1.answers import IndexInfo, InstanceHit, InstancesAnswer, InstancesResult, Method, Setting
from attridex.v1.answers import Info as AnswerInfo
from attridex.v1.rankings import RankBlock
from attridex.v1.requests import AttributeInstancesRequest

INFO = AnswerInfo("tiny", "1", "grad-dot", "higher = more", "a product")
TOLD = (
    Method("grad-dot", "", "", ""),
    Method("toy", "", "", "", (Setting("curvature", "", "text"), Setting("seed", "", "count"))),
    Method("slow", "", "", "", compared=False),
    Method("guess", "", "", "", baseline=True),
)


def made_index(**changes: Any) -> IndexInfo:
    """An index of four instances, one of them deleted."""
    manifest = {"instances": 5, "neurons": {"kept": 3}, "config": {"corpus": {"label": "label"}}}
    about: dict[str, Any] = {
        "name": "tiny", "version": "1", "instances": 4, "task": "sequence-classification", "labels": ("no", "yes"),
        "columns": {}, "methods": ("grad-dot", "influence", "lissa", "random"), "curvatures": ("hessian", "fisher"),
        "gradient_dim": 2, "layers": 2, "units": 8, "site": "post", "has_model": True, "manifest": manifest,
    }  # fmt: skip
    return IndexInfo(**{**about, **changes})


class Server:
    """Answers requests by a function, and counts them."""

    def __init__(self, answer: Callable[[Any], Any], index: IndexInfo) -> None:
        """Answer by `answer`."""
        self.answer, self.index, self.asked = answer, index, 0

    def send(self, request: Any) -> Any:
        """One request."""
        self.asked += 1
        return self.answer(request)

    def rank_instances(self, queries: Any, *, scoring: Any, label: Any, dtype: str) -> Iterator[RankBlock]:
        """A whole ranking, a block a query."""
        for number, result in enumerate(self.send(AttributeInstancesRequest(queries, scoring, label=label)).results):
            rows, scores = np.array([hit.row for hit in result.hits]), np.array([hit.score for hit in result.hits], dtype)
            yield RankBlock((result.query_id,), rows, tuple(hit.id for hit in result.hits), scores, (0.0,), number)

    def stream(self, requests: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
        """Many requests."""
        for sequence, request in requests:
            yield sequence, self.send(request)

    def get_index(self) -> IndexInfo:
        """The index."""
        return self.index


def made_context(out: Path, answer: Callable[[Any], Any], count: int = 3, **index: Any) -> Context:
    """A run of some queries."""
    info = made_index(**index)
    queries = tuple(Asked({"id": f"q{at}", "text": "a"}, "yes") for at in range(count))
    server: Any = Server(answer, info)
    return Context(server, info, queries, Common(), out, seed=7, quiet=True)


def hits_answer(request: Any, scores: dict[int, float]) -> InstancesAnswer:
    """The same hits for every query, as row -> score."""
    hits = tuple(InstanceHit(rank, f"t{row}", row, score) for rank, (row, score) in enumerate(scores.items(), 1))
    return InstancesAnswer(INFO, tuple(InstancesResult(query.id, None, hits) for query in request.queries))
