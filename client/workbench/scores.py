"""Scores of every training instance for every query, [query, train], asked once and kept for all studies that rank."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attridex.client.errors import UsageError
from attridex.client.files import write_whole
from attridex.client.workbench.context import Asked, Context, fingerprint
from attridex.client.workbench.methods import NA_INSTANCES, StudyMethod
from attridex.client.workbench.requests import instances_request
from attridex.client.workbench.results import write_json
from attridex.v1.answers import InstancesAnswer
from attridex.v1.requests import LabelSource, as_queries

Scores = NDArray[np.float32]
HITS = 40_000
"""Hits of one request at most, unless a single query has more: bounds the size of an answer."""


def all_scores(
    context: Context, method: StudyMethod, label: LabelSource, queries: Sequence[Asked] | None = None, name: str = "queries"
) -> Scores:
    """Scores of all training instances, [queries, rows of the index]; NaN for what is no hit (deleted, or no shared neuron).

    Args:
        context: the run.
        method: one of `methods.answered`.
        label: whose loss the queries' gradients are of.
        queries: those of the run unless given.
        name: of the set of queries, for the directory that keeps the scores.
    """
    asked = context.queries if queries is None else tuple(queries)
    directory = context.work(f"scores/{name}-{label}/{method.path}")
    bind_directory(
        directory,
        {"queries": fingerprint([query.record for query in asked]), "seed": context.seed, "index": context.index.version},
    )
    size = max(1, HITS // context.index.instances)
    starts = range(0, len(asked), size)
    left = [start for start in starts if not part_path(directory, start).exists()]
    with context.progress(f"scores by {method.name}", len(asked), "queries") as advance:
        advance(len(asked) - sum(len(asked[start : start + size]) for start in left))
        for start in left:
            found = asked_scores(context, method, label, asked[start : start + size])
            save_array(part_path(directory, start), found)
            advance(len(found))
    return np.concatenate([np.load(part_path(directory, start)) for start in starts])


def bind_directory(directory: Path, settings: Mapping[str, Any]) -> None:
    """Refuse a directory that was begun with other settings."""
    path = directory / "asked.json"
    if not path.exists():
        write_json(path, settings)
    elif json.loads(path.read_text()) != settings:
        raise UsageError(f"{directory}: begun with other queries, another seed or index version; choose another --out")


def part_path(directory: Path, start: int) -> Path:
    """File of the queries from a number on."""
    return directory / f"{start:08d}.npy"


def save_array(path: Path, found: NDArray[Any]) -> None:
    """Write an array, whole or not at all."""
    stream = io.BytesIO()
    np.save(stream, found)
    write_whole(path, stream.getvalue())


def asked_scores(context: Context, method: StudyMethod, label: LabelSource, queries: Sequence[Asked]) -> Scores:
    """Scores of some queries, [queries, rows].

    Args:
        context: the run.
        method: by which.
        label: whose loss the queries' gradients are of.
        queries: at most so many as one answer can hold.
    """
    records = [query.record for query in queries]
    found = np.full((len(queries), int(context.index.manifest["instances"])), np.nan, np.float32)
    if method != NA_INSTANCES:
        asked = as_queries(records)
        for block in context.client.rank_instances(asked, scoring=context.scoring(method), label=label, dtype="float64"):
            found[block.first_query : block.first_query + len(block.query_ids), block.rows] = block.scores
        return found
    answer: InstancesAnswer = context.client.send(
        instances_request(context, method, records, k=context.index.instances, label=label)
    )
    for number, result in enumerate(answer.results):
        for hit in result.hits:
            found[number, hit.row] = hit.score
    return found
