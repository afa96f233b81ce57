"""Whole rankings: the blocks of `Client.rank_instances` put together."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from attridex.client.errors import ClientError
from attridex.v1.answers import Info
from attridex.v1.rankings import RankBlock, Scores


@dataclass(frozen=True, eq=False)
class Ranking:
    """Scores of n instances for q queries.

    Attributes:
        info: how the scores were made.
        query_ids: of the queries, in the order asked.
        rows: of the index, ascending [n].
        ids: of their instances [n].
        scores: float32 or float64 [q, n].
        bounds: how far a query's scores may be from those of `attribute_instances` [q].
    """

    info: Info
    query_ids: tuple[str, ...]
    rows: NDArray[np.int64]
    ids: tuple[str, ...]
    scores: Scores
    bounds: NDArray[np.float64]

    @classmethod
    def of(cls, blocks: Iterable[RankBlock]) -> Self:
        """The whole of an answer.

        Raises:
            ClientError: the blocks are not all of one.
        """
        bands: dict[int, list[RankBlock]] = {}
        info, total = None, 0
        for block in blocks:
            info, total = block.info or info, block.total or total
            bands.setdefault(block.first_query, []).append(block)
        if info is None or any(sum(len(block.rows) for block in band) != total for band in bands.values()):
            raise ClientError("the ranking is not whole; is the server of another version?")
        first = next(iter(bands.values()))
        return cls(
            info,
            tuple(name for band in bands.values() for name in band[0].query_ids),
            np.concatenate([block.rows for block in first]),
            tuple(name for block in first for name in block.ids),
            np.concatenate([np.concatenate([block.scores for block in band], axis=1) for band in bands.values()]),
            np.concatenate([band[0].bounds for band in bands.values()]),
        )

    def order(self, query: int) -> NDArray[np.int64]:
        """Places of a query's scores in `rows` and `ids`, the highest score first, ties by id."""
        return np.lexsort((self.ids, -self.scores[query]))
