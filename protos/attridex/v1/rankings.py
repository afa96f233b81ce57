"""Whole rankings: scores of all instances as arrays, in blocks, and put together."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from attridex.v1.answers import Info
from attridex.v1.errors import ClientError
from attridex.v1.tabular import needing

if TYPE_CHECKING:
    import pyarrow as pa

Scores = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RankBlock:
    """Scores of some queries for a block of rows; all blocks of an answer together hold each query and row once.

    Attributes:
        query_ids: of the queries.
        rows: of the index, ascending [b].
        ids: of their instances.
        values: the scores, query by query, float32 or float64 [q b].
        bounds: how far a query's scores may be from those of `InstancesAnswer` [q].
        first_query: place of the first query in the request.
        info: how the scores were made; in the first block alone.
        total: rows of the whole answer; in the first block alone.
    """

    query_ids: tuple[str, ...]
    rows: NDArray[np.int64]
    ids: tuple[str, ...]
    values: Scores
    bounds: tuple[float, ...]
    first_query: int = 0
    info: Info | None = None
    total: int = 0

    @property
    def scores(self) -> Scores:
        """The scores [q, b]."""
        return self.values.reshape(len(self.query_ids), len(self.rows))

    def to_arrow(self) -> "pa.RecordBatch":
        """The block as a record batch: row, id, and a list of its queries' scores; the schema's metadata names the queries.

        Raises:
            MissingPackageError: pyarrow is not installed.
        """
        with needing("pyarrow", "to_arrow()"):
            import pyarrow as pa
        scores = pa.FixedSizeListArray.from_arrays(pa.array(self.scores.T.ravel()), max(1, len(self.query_ids)))
        columns = {"row": pa.array(self.rows), "id": pa.array(self.ids, pa.string()), "scores": scores}
        named = {"queries": json.dumps(self.query_ids), "first_query": str(self.first_query)}
        schema = pa.schema([(name, column.type) for name, column in columns.items()], named)
        return pa.RecordBatch.from_arrays(list(columns.values()), schema=schema)


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
