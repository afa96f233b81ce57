"""IA in full: the score of every instance for every query, in blocks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

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
    ranking = Ranking(call, settled, asked, mask, request.dtype)
    blocks = ranking.by_rows(method) if isinstance(method, RowMethod) else ranking.by_vectors(method)
    return ranking.introduced(blocks)


@dataclass(frozen=True)
class Ranking:
    """A ranking made ready.

    Attributes:
        call: the request's context.
        settled: the method with its settings.
        asked: the queries.
        mask: rows that are ranked; None for all.
        dtype: of the scores.
    """

    call: Call
    settled: Settled
    asked: list[Asked]
    mask: Mask | None
    dtype: Precision

    def introduced(self, blocks: Iterator[RankBlock]) -> Iterator[RankBlock]:
        """The blocks, one without rows where there are none; the first says how they were made."""
        version, found = self.call.version, Influential(self.asked, [], self.settled)
        with self.call.caller.spent.searching():
            first = next(blocks, None) or as_answered(version, self.asked, nothing(len(self.asked), self.dtype), 0)
        total = version.rows if self.mask is None else int(np.count_nonzero(self.mask))
        yield replace(first, info=found.info(self.call), total=total)
        yield from blocks

    def by_vectors(self, method: VectorMethod) -> Iterator[RankBlock]:
        """Blocks of all queries, from the stored vectors."""
        version, scanner = self.call.version, self.call.tools.scanner
        space = checked_space(method, version, self.asked, self.settled)
        found = vector_blocks(scanner, space.stored, space.queries, self.mask, self.dtype, self.call.caller.checkpoint)
        return (as_answered(version, self.asked, block, 0) for block in found)

    def by_rows(self, method: RowMethod) -> Iterator[RankBlock]:
        """Blocks query by query, of a method that scores every row."""
        version = self.call.version
        for number, one in enumerate(self.asked):
            self.call.caller.checkpoint()
            scores = checked_scores(method, method.row_scores(version, one, self.settled.values), version.rows)
            for block in row_blocks(scores, self.mask, self.dtype):
                yield as_answered(version, [one], block, number)


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
