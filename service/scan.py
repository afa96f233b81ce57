"""Exact top-k by inner product over stored unit vectors and norms.

Every row is scored in float32 by matrix products over blocks; a row is dropped only when a rigorous bound on the rounding
error says that it cannot be among the k best. What is left is scored again in float64, row by row, and sorted by
(-score, id): the answer is the same for any number of threads, batch of queries, block and shard.

Letters: q queries, n rows, d dimensions, u the unit roundoff of float32.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from attridex.indexer.vectors import VectorFile
from attridex.service.requests import Checkpoint

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Rows = NDArray[np.int64]

ROUNDOFF = 2.0**-24
BLOCK_BYTES = 8 << 20
"""Size of a block of vectors in float32: it stays in the cache while all queries meet it."""
PRUNE = 4096
"""Candidates beyond k that a query may gather before the hopeless ones are dropped."""
RESCORE_ROWS = 256
"""Rows that are held in float64 at a time."""


@dataclass(frozen=True)
class Part:
    """A shard's vectors: unit rows, what each is multiplied by, and the number of its first row."""

    vectors: VectorFile
    norms: Float32
    offset: int


@dataclass(frozen=True)
class Hits:
    """The best rows of one query, best first."""

    rows: Rows
    scores: Float64


class Candidates:
    """Rows of one query that may still be among its k best."""

    def __init__(self, k: int) -> None:
        """None yet."""
        self._k = k
        self._rows: list[Rows] = []
        self._high: list[Float64] = []
        self._low: list[Float64] = []
        self._count = 0
        self._floor = -np.inf

    def add(self, rows: Rows, scores: Float64, errors: Float64) -> None:
        """Add rows with their scores and the bounds of their errors."""
        high = scores + errors
        hopeful = high >= self._floor
        self._rows.append(rows[hopeful])
        self._high.append(high[hopeful])
        self._low.append((scores - errors)[hopeful])
        self._count += int(hopeful.sum())
        if self._count > self._k + PRUNE:
            self.prune()

    def prune(self) -> None:
        """Drop the rows that k others surely beat."""
        rows = np.concatenate(self._rows) if self._rows else np.zeros(0, np.int64)
        high, low = (np.concatenate(parts) if parts else np.zeros(0) for parts in (self._high, self._low))
        if len(rows) > self._k:
            self._floor = max(self._floor, float(np.partition(low, len(low) - self._k)[len(low) - self._k]))
            hopeful = high >= self._floor
            rows, high, low = rows[hopeful], high[hopeful], low[hopeful]
        self._rows, self._high, self._low, self._count = [rows], [high], [low], len(rows)

    def merge(self, other: "Candidates") -> None:
        """Take in what another thread found."""
        self._rows += other._rows
        self._high += other._high
        self._low += other._low

    def rows(self) -> Rows:
        """The rows that are left."""
        self.prune()
        return self._rows[0]


class Scanner:
    """Scans with a pool of threads, one block of rows at a time each."""

    def __init__(self, threads: int | None = None) -> None:
        """`threads` defaults to the processors that this process may use."""
        self._threads = threads or len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(self._threads, "scan")
        # The pool spreads the work; BLAS threads of its own would only fight over the same cores.
        ThreadpoolController().select(internal_api="openblas").limit(limits=1)

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown()

    def top(
        self,
        parts: Sequence[Part],
        queries: Float64,
        k: int,
        ids: Callable[[Rows], Sequence[str]],
        checkpoint: Checkpoint,
        *,
        mask: NDArray[np.bool_] | None = None,
        ascending: bool = False,
    ) -> list[Hits]:
        """The k best rows for each query.

        Args:
            parts: the stored vectors, in row order.
            queries: [q, d]; a row's score is norm * <query, unit vector>.
            k: rows a query; fewer come where the mask lets fewer through.
            ids: ids of rows, to order ties.
            checkpoint: called between blocks.
            mask: rows that may be hits [n].
            ascending: give the lowest scores instead.
        """
        signed = -queries if ascending else queries
        lengths = np.sqrt((signed**2).sum(1))
        blocks = [(part, start) for part in parts for start in range(0, part.vectors.rows, block_rows(part.vectors.dim))]

        def work(number: int) -> list[Candidates]:
            found = [Candidates(k) for _ in signed]
            for part, start in blocks[number :: self._threads]:
                checkpoint()
                score_block(part, start, signed.astype(np.float32), lengths, mask, found)
            return found

        found, *others = self._pool.map(work, range(max(1, min(self._threads, len(blocks)))))
        for other in others:
            for mine, theirs in zip(found, other, strict=True):
                mine.merge(theirs)
        answers = [self._finish(parts, query, candidates.rows(), k, ids) for query, candidates in zip(signed, found, strict=True)]
        return [Hits(hits.rows, -hits.scores) for hits in answers] if ascending else answers

    @staticmethod
    def _finish(parts: Sequence[Part], query: Float64, rows: Rows, k: int, ids: Callable[[Rows], Sequence[str]]) -> Hits:
        scores = rescore(parts, query, rows)
        names = ids(rows)
        order = sorted(range(len(rows)), key=lambda i: (-scores[i], names[i]))[:k]
        return Hits(rows[order], scores[order])


def block_rows(dim: int) -> int:
    """Rows of a block."""
    return max(64, BLOCK_BYTES // (4 * dim))


def score_block(
    part: Part, start: int, queries: Float32, lengths: Float64, mask: NDArray[np.bool_] | None, found: Sequence[Candidates]
) -> None:
    """Score one block against all queries and add what may be among the best.

    A float32 inner product of d terms, in any order, is within gamma = (d + 4) u / (1 - (d + 4) u) of |query| |row| (Higham,
    Accuracy and Stability of Numerical Algorithms, 3.1), the rounding of the query and of the product with the norm counted in.
    """
    stop = min(start + block_rows(part.vectors.dim), part.vectors.rows)
    rows = np.arange(part.offset + start, part.offset + stop)
    norms = part.norms[start:stop].astype(np.float64)
    block = part.vectors.block(start, stop)
    if mask is not None:
        chosen = mask[rows]
        if not chosen.any():
            return
        if not chosen.all():
            rows, norms, block = rows[chosen], norms[chosen], block[chosen]
    scores = (queries @ block.T).astype(np.float64) * norms
    steps = (part.vectors.dim + 4) * ROUNDOFF
    # A stored float16 row may be longer than 1 by its own rounding.
    bound = 1.001 * steps / (1 - steps)
    for number, candidates in enumerate(found):
        candidates.add(rows, scores[number], norms * (bound * lengths[number]))


def rescore(parts: Sequence[Part], query: Float64, rows: Rows) -> Float64:
    """Exact scores of rows in float64: one sum a row, in an order that no other row changes."""
    scores = np.zeros(len(rows))
    for part in parts:
        inside = np.flatnonzero((rows >= part.offset) & (rows < part.offset + part.vectors.rows))
        for start in range(0, len(inside), RESCORE_ROWS):
            at = inside[start : start + RESCORE_ROWS]
            local = rows[at] - part.offset
            products = part.vectors.take(local).astype(np.float64) * query
            scores[at] = products.sum(axis=1) * part.norms[local].astype(np.float64)
    return scores
