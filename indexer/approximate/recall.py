"""What structures for approximate search find of what an exact search finds: measured when a version is written."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attridex.indexer.approximate.structures import WHOLE, Approximate, all_norms, unit_gradients, wanted
from attridex.indexer.config import Structure
from attridex.indexer.index.shards import Shard
from attridex.indexer.index.vectors import Float32

Rows = NDArray[np.int64]
QUERIES, BEST = 100, 10
"""Stored rows that recall is measured with, and among how many best: recall@10."""
ALIKE, TIED = 2 * float(np.finfo(np.float32).eps), 200
"""Rows whose scores differ from the last of the best by no more than their rounding are as good as it; how many are known."""
THREADS = len(os.sched_getaffinity(0))

Transform = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""What a method makes of query gradients [q, d] before it takes inner products."""


def measure_recall(
    directory: Path, shards: Sequence[Shard], kinds: Sequence[Structure], transforms: Mapping[str, Transform]
) -> dict[str, float]:
    """Recall@10 by "structure/method", as the mean over stored rows asked about; a query is no hit of itself.

    What scores as high as the tenth best is as good as it (copies of a text): see https://arxiv.org/abs/1807.05614.

    Args:
        directory: where the structures lie.
        shards: of the version.
        kinds: structures to measure.
        transforms: for each method the transform of query gradients [q, d]; "grad-cos" ranks by unit vectors.
    """
    norms = all_norms(shards)
    asked = np.unique(np.linspace(0, len(norms) - 1, QUERIES).astype(np.int64))
    gradients = taken(shards, asked).astype(np.float64) * norms[asked, None]
    recall: dict[str, float] = {}
    structures = {kind: Approximate(directory, kind) for kind in kinds}
    with ThreadPoolExecutor(THREADS) as pool:
        for method, transform in transforms.items():
            weighted = method != "grad-cos"
            queries = transform(gradients).astype(np.float32)
            queries /= np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), np.finfo(np.float32).tiny)
            best = exact_best(shards, queries, norms if weighted else np.ones_like(norms), asked)
            for kind, structure in structures.items():
                if kind not in WHOLE or not weighted:
                    recall[f"{kind}/{method}"] = mean_share(structure, queries, best, pool, weighted=weighted)
    return recall


def taken(shards: Sequence[Shard], rows: Rows) -> Float32:
    """The unit gradients of some rows, ascending [q, d]."""
    stored = unit_gradients(shards)
    return np.concatenate([units[rows[(rows >= start) & (rows < start + len(units))] - start] for start, units in stored])


def mean_share(
    structure: Approximate, queries: Float32, best: Sequence[Rows], pool: ThreadPoolExecutor, *, weighted: bool
) -> float:
    """Mean share of as many of each query's best rows as are asked for that are among a structure's candidates.

    Args:
        structure: what is measured.
        queries: unit vectors [q, d].
        best: for each query its best rows, and those that are as good as the last of them.
        pool: threads that search.
        weighted: whether rows count by their norms.
    """
    shares = []
    for query, rows in zip(queries, best, strict=True):
        hits = min(BEST, len(rows))
        found = structure.candidates(query, wanted(structure.kind, hits + 1), weighted=weighted, pool=pool, threads=THREADS)
        shares.append(min(hits, len(np.intersect1d(rows, found))) / max(1, hits))
    return float(np.mean(shares))


def exact_best(shards: Sequence[Shard], queries: Float32, norms: Float32, asked: Rows) -> list[Rows]:
    """The best rows of each query but its own, by a plain product, and what is as good as the last of them.

    Args:
        shards: of the version.
        queries: vectors [q, d].
        norms: what each row counts [n].
        asked: each query's own row [q].
    """
    best = [(np.zeros(0, np.float32), np.zeros(0, np.int64)) for _ in asked]
    for start, units in unit_gradients(shards):
        scores = (units @ queries.T) * norms[start : start + len(units), None]
        for number, own in enumerate(asked):
            if start <= own < start + len(units):
                scores[own - start, number] = -np.inf
            known, places = best[number]
            known, places = np.concatenate([known, scores[:, number]]), np.concatenate([places, start + np.arange(len(units))])
            top = np.argsort(-known, kind="stable")[: min(TIED, len(norms) - 1)]
            best[number] = known[top], places[top]
    return [places[: as_good(scores)] for scores, places in best]


def as_good(scores: Float32) -> int:
    """How many of descending scores are among the best, or alike to the last of those."""
    if len(scores) <= BEST:
        return len(scores)
    least = scores[BEST - 1]
    return int(np.sum(scores >= least - ALIKE * abs(least)))
