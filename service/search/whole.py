"""Scores of all rows for all queries, a block of rows at a time: products in float32 and how far off they may be, or exact.

Letters: q queries, n rows of the index, b rows of a block, d dimensions.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

from attridex.indexer.array_types import Doubles, Integers
from attridex.indexer.index.vectors import Part
from attridex.service.caller import Checkpoint
from attridex.service.errors import InvalidArgumentError
from attridex.service.search.scan import ROUNDOFF, Mask, Queries, Scanner, block_rows, exact_scores, rescored_rows, scaled, slack
from attridex.service.storage.far import Extent, Far, Stored
from attridex.v1.requests import Precision

VALUES, ROWS = 1 << 18, 1 << 14
"""Scores and rows of a block at most, unless one row has more scores."""
PRODUCTS: Mapping[Precision, int] = {"float32": 1 << 28, "float64": 1 << 24}
"""Products of a block at most, about 20 ms of a thread, unless one row takes more: other searches want the threads too."""
Scores = NDArray[np.float32] | NDArray[np.float64]
Rows = NDArray[np.int64]
Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Block:
    """Scores [q, b] of rows [b], and how far those of each query may be from the exact ones [q]."""

    rows: Int64[Integers, " b"]
    scores: Scores
    bounds: Float64[Doubles, " q"]


def vector_blocks(
    scanner: Scanner, stored: Stored, queries: Queries, mask: Mask | None, dtype: Precision, checkpoint: Checkpoint
) -> Iterator[Block]:
    """Blocks of a method that scans vectors, in the order of the rows.

    Args:
        scanner: has the threads.
        stored: the vectors, in row order.
        queries: a row's score is norm * <query, unit vector>.
        mask: rows that are scored; None for all.
        dtype: of the scores; float64 gives those of `scan.rescore` to the bit.
        checkpoint: called before each block.

    Raises:
        InvalidArgumentError: a score is beyond float32.
    """
    size = min(VALUES // max(1, len(queries)), PRODUCTS[dtype] // max(1, queries.size))
    if isinstance(stored, Far):
        found = in_order(scanner.pool, far(stored, queries, dtype), jobs(stored.extents, mask, size, checkpoint), scanner.threads)
    else:
        made = products(queries, largest_norm(stored)) if dtype == "float32" else exact(queries)
        found = in_order(scanner.pool, made, jobs(stored, mask, size, checkpoint), scanner.threads)
    for block in found:
        checkpoint()
        yield checked(block)


def row_blocks(scores: Float64[Doubles, " n"], mask: Mask | None, dtype: Precision) -> Iterator[Block]:
    """Blocks of one query of a method that scores every row; see `vector_blocks` for what it raises."""
    rows = np.arange(len(scores)) if mask is None else np.flatnonzero(mask)
    bound = 0.0 if dtype == "float64" else ROUNDOFF * float(np.abs(scores).max(initial=0.0)) + TINY
    for start in range(0, len(rows), ROWS):
        chosen = rows[start : start + ROWS]
        with np.errstate(over="ignore"):  # not around the yield: the next step may be of another context
            found = scores[chosen].astype(dtype)[None]
        yield checked(Block(chosen, found, np.array([bound])))


def checked(block: Block) -> Block:
    """A block whose scores are numbers.

    Raises:
        InvalidArgumentError: one is beyond float32.
    """
    if not np.isfinite(block.scores).all():
        raise InvalidArgumentError('dtype: a score is beyond the range of float32; ask for "float64"', "dtype")
    return block


def nothing(queries: int, dtype: Precision) -> Block:
    """The block of no rows."""
    return Block(np.zeros(0, np.int64), np.zeros((queries, 0), dtype), np.zeros(queries))


TINY = float(np.finfo(np.float32).smallest_subnormal)
Place = TypeVar("Place", Part, Extent)
"""A shard's vectors, or where they are."""


def jobs(places: Sequence[Place], mask: Mask | None, size: int, checkpoint: Checkpoint) -> Iterator[tuple[Place, Rows]]:
    """The rows of each block, from 0 on in their shard.

    Args:
        places: the shards, in row order.
        mask: rows that are scored; None for all.
        size: rows of a block at most, as far as the queries go.
        checkpoint: called before each block.
    """
    for place in places:
        n = place.rows
        rows = np.arange(n) if mask is None else np.flatnonzero(mask[place.offset : place.offset + n])
        step = max(1, min(block_rows(place.dim), ROWS, size))
        for start in range(0, len(rows), step):
            checkpoint()
            yield place, rows[start : start + step]


def largest_norm(parts: Sequence[Part]) -> float:
    """Of all rows."""
    return max((float(part.norms.max(initial=0.0)) for part in parts), default=0.0)


def products(queries: Queries, largest: float) -> Callable[[tuple[Part, Rows]], Block]:
    """Makes blocks of float32 products; the bound is that of `slack`, for the largest norm."""
    small, exponents = scaled(queries)
    columns, bounds = np.ascontiguousarray(small.T), bounds_of(queries, largest)

    def block(job: tuple[Part, Rows]) -> Block:
        part, rows = job
        found = part.vectors.widened(spanned(rows)) @ (columns * np.float32(1 / part.vectors.unit))
        found *= part.norms[rows][:, None]
        with np.errstate(over="ignore"):
            return Block(part.offset + rows, np.ldexp(found, exponents).T, bounds)

    return block


def bounds_of(queries: Queries, largest: float) -> NDArray[np.float64]:
    """How far float32 products may be off for each query, where no row has a larger norm."""
    return slack(queries.shape[1]) * largest * np.ldexp(1.0, scaled(queries)[1]) + TINY


def far(stored: Far, queries: Queries, dtype: Precision) -> Callable[[tuple[Extent, Rows]], Block]:
    """Makes blocks where the vectors are."""
    ask = stored.products if dtype == "float32" else stored.exact
    bounds = bounds_of(queries, stored.largest) if dtype == "float32" else np.zeros(len(queries))

    def block(job: tuple[Extent, Rows]) -> Block:
        rows = job[0].offset + job[1]
        return Block(rows, ask(queries, rows), bounds)

    return block


def exact(queries: Queries) -> Callable[[tuple[Part, Rows]], Block]:
    """Makes blocks of exact scores."""

    def block(job: tuple[Part, Rows]) -> Block:
        part, rows = job
        scores = np.empty((len(queries), len(rows)))
        step = rescored_rows(part.vectors.dim)
        for start in range(0, len(rows), step):
            local = rows[start : start + step]
            values, norms = part.vectors.take(local).astype(np.float64), part.norms[local]
            for number, query in enumerate(queries):
                scores[number, start : start + step] = exact_scores(values, norms, query)
        return Block(part.offset + rows, scores, np.zeros(len(queries)))

    return block


def spanned(rows: Rows) -> slice | Rows:
    """Rows as a slice where they follow each other, which needs no copy."""
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def in_order(pool: ThreadPoolExecutor, work: Callable[[Job], Result], todo: Iterable[Job], ahead: int) -> Iterator[Result]:
    """Results in the order of their jobs.

    Args:
        pool: where the work is done.
        work: gives a job's result.
        todo: the jobs.
        ahead: jobs that are begun before their turn, at most.
    """
    begun: deque[Future[Result]] = deque()
    try:
        for job in todo:
            begun.append(pool.submit(work, job))
            if len(begun) > ahead:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        for future in begun:
            future.cancel()
