"""IA in full: the score of every instance for every query, in blocks."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from attridex.service.answering.call import Call, Mask
from attridex.service.answering.influential import Influential, checked_scores, checked_space
from attridex.service.errors import InvalidArgumentError
from attridex.service.reading.asked import Asked
from attridex.service.scoring.method import RowMethod, VectorMethod
from attridex.service.scoring.settle import Settled, settle
from attridex.service.search.whole import Block, nothing, row_blocks, vector_blocks
from attridex.service.storage.version import IndexVersion
from attridex.v1.rankings import RankBlock
from attridex.v1.requests import Precision, RankInstancesRequest


def rank_instances(call: Call, request: RankInstancesRequest) -> Iterator[RankBlock]:
    """Settle the method and make the queries ready; the blocks are scored as they are taken, the first of them says how.

    Raises:
        InvalidArgumentError: an approximate answer is asked for.
    """
    settled = settle(call.version, call.tools.methods, request.scoring, call.label(request.label))
    if settled.structure is not None:
        raise InvalidArgumentError("approximate: no structure finds all instances; leave out approximate and exact = false")
    method = settled.method
    asked = call.reader.ask(request.queries, method.need(settled.label), method.sources, model_needed=method.model_needed)
    mask = call.mask(request.where)
    if isinstance(method, RowMethod):
        blocks = by_rows(call, settled, method, asked, mask, request.dtype)
    else:
        blocks = by_vectors(call, settled, method, asked, mask, request.dtype)
    total = call.version.rows if mask is None else int(np.count_nonzero(mask))
    return introduced(blocks, Influential(asked, [], settled), call, total, request.dtype)


def introduced(blocks: Iterator[RankBlock], found: Influential, call: Call, total: int, dtype: Precision) -> Iterator[RankBlock]:
    """The blocks, one without rows where there are none; the first says how they were made."""
    with call.caller.spent.searching():
        first = next(blocks, None) or as_answered(call.version, found.asked, nothing(len(found.asked), dtype), 0)
    yield replace(first, info=found.info(call), total=total)
    yield from blocks


def by_vectors(
    call: Call, settled: Settled, method: VectorMethod, asked: Sequence[Asked], mask: Mask | None, dtype: Precision
) -> Iterator[RankBlock]:
    """Blocks of all queries, from the stored vectors."""
    space = checked_space(method, call.version, asked, settled)
    found = vector_blocks(call.tools.scanner, space.parts, space.queries, mask, dtype, call.caller.checkpoint)
    return (as_answered(call.version, asked, block, 0) for block in found)


def by_rows(
    call: Call, settled: Settled, method: RowMethod, asked: Sequence[Asked], mask: Mask | None, dtype: Precision
) -> Iterator[RankBlock]:
    """Blocks query by query, of a method that scores every row."""
    for number, one in enumerate(asked):
        call.caller.checkpoint()
        scores = checked_scores(method, method.row_scores(call.version, one, settled.values), call.version.rows)
        for block in row_blocks(scores, mask, dtype):
            yield as_answered(call.version, [one], block, number)


def as_answered(version: IndexVersion, asked: Sequence[Asked], block: Block, first: int) -> RankBlock:
    """A block as it is answered.

    Args:
        version: the index.
        asked: the block's queries.
        block: their scores.
        first: place of the first of them in the request.
    """
    ids = tuple(version.ids_of(block.rows))
    names = tuple(one.query.id for one in asked)
    return RankBlock(names, block.rows, ids, block.scores.ravel(), tuple(block.bounds.tolist()), first)
