"""Scores of every training instance for every query, [query, train], asked once and kept for all studies that rank."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attridex.client.errors import UsageError
from attridex.client.workbench.context import Asked, Context, fingerprint
from attridex.client.workbench.methods import instances_request
from attridex.client.workbench.results import write_json

Scores = NDArray[np.float32]
HITS = 40_000
"""Hits of one request at most, unless a single query has more: bounds the size of an answer."""


def scores(context: Context, method: str, label: str, queries: Sequence[Asked] | None = None, name: str = "queries") -> Scores:
    """Scores of all training instances, [queries, rows of the index]; NaN for what is no hit (deleted, or no shared neuron).

    Args:
        context: the run.
        method: one of `methods.offered`.
        label: whose loss the queries' gradients are of.
        queries: those of the run unless given.
        name: of the set of queries, for the directory that keeps the scores.
    """
    asked = context.queries if queries is None else tuple(queries)
    directory = context.work(f"scores/{name}-{label}/{method.replace('/', '-')}")
    bind(
        directory,
        {"queries": fingerprint([query.record for query in asked]), "seed": context.seed, "index": context.index.version},
    )
    size = max(1, HITS // context.index.instances)
    starts = range(0, len(asked), size)
    left = [start for start in starts if not part(directory, start).exists()]
    with context.progress(f"scores by {method}", len(asked), "queries") as advance:
        advance(len(asked) - sum(len(asked[start : start + size]) for start in left))
        for start in left:
            found = ask(context, method, label, asked[start : start + size])
            save(part(directory, start), found)
            advance(len(found))
    return np.concatenate([np.load(part(directory, start)) for start in starts])


def bind(directory: Path, settings: dict[str, Any]) -> None:
    """Refuse a directory that was begun with other settings."""
    path = directory / "asked.json"
    if not path.exists():
        write_json(path, settings)
    elif json.loads(path.read_text()) != settings:
        raise UsageError(f"{directory}: begun with other queries, another seed or index version; choose another --out")


def part(directory: Path, start: int) -> Path:
    """File of the queries from a number on."""
    return directory / f"{start:08d}.npy"


def save(path: Path, found: Scores) -> None:
    """Write an array, whole or not at all."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as stream:
        np.save(stream, found)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)


def ask(context: Context, method: str, label: str, queries: Sequence[Asked]) -> Scores:
    """Scores of some queries, [queries, rows]."""
    records = [query.record for query in queries]
    request = context.addressed(instances_request(method, records, k=context.index.instances, label=label, seed=context.seed))
    rows = int(context.index.manifest["instances"])
    client, kind = context.client, str(request.WhichOneof("request"))
    send = client.find_instances_message if kind == "find_instances_by_neurons" else client.attribute_instances_message
    found = np.full((len(queries), rows), np.nan, np.float32)
    for number, result in enumerate(send(getattr(request, kind)).results):
        for hit in result.hits:
            found[number, hit.row] = hit.score
    return found
