"""Whole rankings as they travel: scores of all instances as arrays, in blocks."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from attridex.v1.answers import Info
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
