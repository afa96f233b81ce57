"""Exact top-k by inner product over stored unit vectors and norms.

Every row is scored in float32 by matrix products over blocks; a row is dropped only when a rigorous bound on the rounding
error says that it cannot be among the k best. What is left is scored again in float64, row by row, and sorted by
(-score, id): the answer is the same for any number of threads, batch of queries, block and shard.

Letters: q queries, n rows of the index, b rows of a block, m of these or of any, d dimensions, u the unit roundoff of float32.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import wait
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64
from threadpoolctl import ThreadpoolController

from attridex.indexer.array_types import Doubles, Flags, Integers, ShortIntegers, Singles
from attridex.indexer.held.waited import still_waited
from attridex.indexer.index.vectors import Part, VectorFile, Vectors
from attridex.service.caller import Checkpoint
from attridex.service.search.candidates import Candidates
from attridex.service.search.ranking import ranked
from attridex.service.search.slices import Turns, Workers, in_turn
from attridex.service.storage.far import Far, Scored, Stored

Rows = Int64[Integers, " m"]
Scores = Float64[Doubles, " m"]
Products = Float32[Singles, "m q"]
Query = Float64[Doubles, " d"]
Queries = Float64[Doubles, "q d"]
Mask = Bool[Flags, " n"]

ROUNDOFF = 2.0**-24
NOTHING = np.float32(-np.inf)
BLOCK_BYTES = 4 << 20
"""Size of a block of vectors in float32: it stays in the cache while all queries meet it."""
WORK_BYTES = 24 << 20
"""What a thread holds of a block: as read, widened, multiplied; and what the allocator keeps for the next one."""
FEW = 1 / 8
"""Share of a block's rows below which they are gathered before they are scored."""
NEAREST = 256
"""Rows of a float16 shard that one query asks FAISS for; what is known of the others is that they are less near."""
RESCORE_BYTES = 1 << 20
"""Size of the rows that are held in float64 at a time."""


@dataclass(frozen=True)
class Hits:
    """The best rows of one query, best first."""

    rows: Rows
    scores: Scores


class Scanner:
    """Scans with a pool of threads, one block of rows at a time each.

    Attributes:
        threads: how many.
        pool: where they run.
    """

    def __init__(self, threads: int | None = None) -> None:
        """`threads` defaults to the processors that this process may use."""
        self.threads = threads or processors()
        self.pool = Workers(self.threads, "scan")
        # The pool spreads the work; BLAS threads of its own would only fight over the same cores.
        ThreadpoolController().select(internal_api="openblas").limit(limits=1)

    def close(self) -> None:
        """Let the threads go."""
        self.pool.shutdown()

    def top(
        self,
        stored: Stored,
        queries: Queries,
        k: int,
        ids: Callable[[Rows], Sequence[str]],
        checkpoint: Checkpoint,
        *,
        mask: Mask | None = None,
        ascending: bool = False,
        since: int = 0,
    ) -> list[Hits]:
        """The k best rows for each query.

        Args:
            stored: the vectors, in row order.
            queries: a row's score is norm * <query, unit vector>.
            k: rows a query; fewer come where the mask lets fewer through.
            ids: ids of rows, to order ties.
            checkpoint: called between blocks.
            mask: rows that may be hits.
            ascending: give the lowest scores instead.
            since: the first row of the shards that are looked at.
        """
        signed = -queries if ascending else queries
        if isinstance(stored, Far):
            found = stored.finalists(signed, k, mask, since)
        else:
            found = self.finalists([part for part in stored if part.offset >= since], signed, k, checkpoint, mask)
        answers = [ordered(each, k, ids) for each in found]
        return [Hits(hits.rows, -hits.scores) for hits in answers] if ascending else answers

    def finalists(
        self, parts: Sequence[Part], queries: Queries, k: int, checkpoint: Checkpoint, mask: Mask | None = None
    ) -> list[Scored]:
        """The k best rows for each query, all that tie with the last of them, and perhaps more; scored exactly, in no order.

        The k best of several sets of rows are among the finalists of each, so that sets may be searched apart.

        Args:
            parts: the stored vectors, in row order.
            queries: a row's score is norm * <query, unit vector>.
            k: rows a query.
            checkpoint: called between blocks.
            mask: rows that may be hits.
        """
        search = Search(queries, k, mask)
        jobs, threads = list(search.jobs(parts)), self.threads
        shares = [jobs[number::threads] for number in range(max(1, min(threads, len(jobs))))]
        under_way = [in_turn(self.pool, search.run(share, checkpoint)) for share in shares]
        wait(under_way)
        found, *others = [each.result() for each in under_way]
        for other in others:
            for mine, theirs in zip(found, other, strict=True):
                mine.merge(theirs)
        chosen = [candidates.rows() for candidates in found]
        return [Scored(rows, rescore(parts, query, rows)) for query, rows in zip(queries, chosen, strict=True)]

    @staticmethod
    def best(stored: Stored, query: Query, rows: Rows, k: int, ids: Callable[[Rows], Sequence[str]]) -> Hits:
        """The k best of some rows for a query, scored exactly, ties by id.

        Args:
            stored: the vectors, in row order.
            query: one.
            rows: those to choose from.
            k: rows at most.
            ids: ids of rows, to order ties.
        """
        return ordered(Scored(rows, rescore(stored, query, rows)), k, ids)


def ordered(found: Scored, k: int, ids: Callable[[Rows], Sequence[str]]) -> Hits:
    """The k best of scored rows, best first, ties by id."""
    order = ranked(found.scores, lambda at: ids(found.rows[at]), k)
    return Hits(found.rows[order], found.scores[order])


def best_alone(found: Scored, k: int) -> Scored:
    """The k best of scored rows and all that tie with the last of them."""
    if len(found.rows) <= k:
        return found
    kept = found.scores >= np.partition(found.scores, len(found.scores) - k)[len(found.scores) - k]
    return Scored(found.rows[kept], found.scores[kept])


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0))


def block_rows(dim: int) -> int:
    """Rows of a block."""
    return max(64, BLOCK_BYTES // (4 * dim))


def rescored_rows(dim: int) -> int:
    """Rows that are scored again at a time."""
    return max(1, RESCORE_BYTES // (8 * dim))


def scan_bytes(threads: int | None = None) -> int:
    """What scans take at most while they work, beside the vectors: of each thread a block and what is made of it."""
    return WORK_BYTES * (threads or processors())


@dataclass(frozen=True)
class Job:
    """Rows [start, stop) of a part."""

    part: Part
    start: int
    stop: int


def scaled(queries: Queries) -> tuple[Float32[Singles, "q d"], Int32[ShortIntegers, " q"]]:
    """Queries as float32, each divided by a power of two so that its length is from 1/2 to 1, and the powers' exponents."""
    lengths = np.sqrt((queries**2).sum(1))
    exponents: ShortIntegers = np.frexp(np.where(lengths > 0, lengths, 1.0))[1]
    return np.ldexp(queries, -exponents[:, None]).astype(np.float32), exponents


class Search:
    """Queries made ready for a scan; see `scaled`."""

    def __init__(self, queries: Queries, k: int, mask: Mask | None) -> None:
        """See `Scanner.top`."""
        self._queries, _ = scaled(queries)
        self._columns = np.ascontiguousarray(self._queries.T)
        self._k, self._mask = k, mask

    def jobs(self, parts: Sequence[Part]) -> Iterator[Job]:
        """The work, in pieces that fit the cache; whole float16 shards for one query, which FAISS reads fastest."""
        for part in parts:
            rows = part.vectors.rows if self._by_nearest(part) else block_rows(part.vectors.dim)
            for start in range(0, part.vectors.rows, max(1, rows)):
                yield Job(part, start, min(start + rows, part.vectors.rows))

    def run(self, jobs: Sequence[Job], checkpoint: Checkpoint) -> Turns[list[Candidates]]:
        """Candidates of each query among the jobs' rows; each step is a block."""
        found = [Candidates(self._k) for _ in self._queries]
        farthest: list[tuple[Job, float, Rows]] = []
        for job in jobs:
            checkpoint()
            if whole := self._by_nearest(job.part):
                farthest.append((job, *self._nearest(job, whole, found[0])))
            else:
                self._block(job, found)
            yield
        for job, ceiling, seen in farthest:
            checkpoint()
            self._others(job, ceiling, seen, found[0])
            yield
        return found

    def _by_nearest(self, part: Part) -> VectorFile | None:
        """The vectors, where FAISS's own scan serves: one query, no filter, few hits, an ordinary float16 shard in memory."""
        vectors, alone = part.vectors, len(self._queries) == 1 and self._mask is None and self._k <= NEAREST // 2
        ordinary = vectors.dtype == np.float16 and vectors.rows * vectors.dim * 4 <= 16 * BLOCK_BYTES
        return vectors if alone and ordinary and isinstance(vectors, VectorFile) else None

    def _nearest(self, job: Job, vectors: VectorFile, found: Candidates) -> tuple[float, Rows]:
        """Add the shard's nearest rows; how near another can be, and which were seen."""
        products, rows = vectors.nearest(self._queries[0], NEAREST)
        ceiling = float(products[-1]) + 2 * slack(job.part.vectors.dim)
        self._add(job.part, 0, products[:, None], [found], rows)
        return ceiling, rows

    def _others(self, job: Job, ceiling: float, seen: Rows, found: Candidates) -> None:
        """Add the rows whose norm is large enough to lift them over the floor, although less near."""
        if job.stop <= len(seen):
            return
        hopeful = job.part.norms.astype(np.float64) * ceiling >= found.floor
        hopeful[seen] = False
        chosen = np.flatnonzero(hopeful)
        if len(chosen) > FEW * job.stop:
            for start in range(0, job.stop, block_rows(job.part.vectors.dim)):
                stop = min(start + block_rows(job.part.vectors.dim), job.stop)
                self._block(Job(job.part, start, stop), [found], hopeful[start:stop])
        elif len(chosen):
            self._rows(job.part, chosen, [found])

    def _block(self, job: Job, found: Sequence[Candidates], chosen: Bool[Flags, " b"] | None = None) -> None:
        """Add the rows of a job, or those `chosen` of them."""
        part, vectors = job.part, job.part.vectors
        if self._mask is not None:
            chosen = self._mask[part.offset + job.start : part.offset + job.stop]
        rows = None
        if chosen is not None and not chosen.all():
            rows = np.flatnonzero(chosen)
            if len(rows) <= FEW * len(chosen):
                self._rows(part, job.start + rows, found)
                return
        if len(self._queries) == 1 and vectors.dtype == np.float32:
            products = vectors.products(self._queries[0], job.start, job.stop)[:, None]
        else:
            products = self._products(vectors, slice(job.start, job.stop))
        self._add(part, job.start, products if rows is None else products[rows], found, rows)

    def _products(self, vectors: Vectors, rows: slice | Rows) -> Products:
        """Inner products of rows with the queries."""
        return vectors.widened(rows) @ (self._columns * np.float32(1 / vectors.unit))

    def _rows(self, part: Part, rows: Rows, found: Sequence[Candidates]) -> None:
        """Add single rows of a part."""
        if len(rows):
            self._add(part, 0, self._products(part.vectors, rows), found, rows)

    @staticmethod
    def _add(part: Part, start: int, products: Products, found: Sequence[Candidates], rows: Rows | None) -> None:
        """Add products of the rows from `start` on, or of those at `rows` from there; `products` is overwritten."""
        error = slack(part.vectors.dim)
        norms = part.norms[start : start + len(products)] if rows is None else part.norms[start + rows]
        products += np.float32(error)
        products *= norms[:, None]
        # Rounded down twice, since float32 may have rounded it up.
        floors = np.array([candidates.floor for candidates in found], np.float32)
        hopeful = products >= np.nextafter(np.nextafter(floors, NOTHING), NOTHING)
        for number in np.flatnonzero(hopeful.any(0)).tolist():
            at = np.flatnonzero(hopeful[:, number])
            high = products[at, number].astype(np.float64)
            low = high - 2.001 * error * norms[at].astype(np.float64)
            found[number].add(part.offset + start + (at if rows is None else rows[at]), high, low)


def slack(dim: int) -> float:
    """Bound of the error of a float32 inner product of d terms between a query of length 1 at most and a stored row.

    In any order of summation it is within gamma = (d + 4) u / (1 - (d + 4) u) of |query| |row| (Higham, Accuracy and Stability
    of Numerical Algorithms, 3.1), the rounding of the query counted in. Four more u are for adding this bound and for the
    product with the norm. A stored float16 row may be longer than 1 by its own rounding.
    """
    steps = (dim + 8) * ROUNDOFF
    return 1.001 * steps / (1 - steps)


def rescore(stored: Stored, query: Query, rows: Rows) -> Scores:
    """Exact scores of rows in float64: one sum a row, in an order that no other row changes."""
    if isinstance(stored, Far):
        found: Scores = stored.exact(query[None], rows)[0]
        return found
    scores = np.zeros(len(rows))
    for part in stored:
        inside = np.flatnonzero((rows >= part.offset) & (rows < part.offset + part.vectors.rows))
        step = rescored_rows(part.vectors.dim)
        for start in range(0, len(inside), step):
            still_waited()
            at = inside[start : start + step]
            local = rows[at] - part.offset
            scores[at] = exact_scores(part.vectors.take(local).astype(np.float64), part.norms[local], query)
    return scores


def exact_scores(vectors: Queries, norms: Float32[Singles, " m"], query: Query) -> Scores:
    """Exact scores of unit vectors [m, d] with norms [m]; see `rescore`."""
    scores: Scores = (vectors * query).sum(axis=1) * norms.astype(np.float64)
    return scores
