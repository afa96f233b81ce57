"""One kind of stored vectors, resident on a torch device: one pass finds the rows that may be among the best, none missed.

They are scored in float64 from the same stored rows on the CPU, so that answers are those of the CPU's search to the bit.

Letters: q queries, n rows of the index, c rows of a chunk, m any, d dimensions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attridex.indexer.held.waited import still_waited
from attridex.indexer.index.vectors import Part
from attridex.service.devices.products import columns_of, error_of, products
from attridex.service.groups.group import products_of
from attridex.service.search.scan import rescore
from attridex.service.search.whole import largest_norm
from attridex.service.storage.far import Extent, Far, Mask, Rows, Scored, Scores
from attridex.service.storage.shard_vectors import stored_vector

Queries = NDArray[np.float64]
SCORES_BYTES, TOGETHER = 1 << 30, 256
"""Size of the scores that are held on the device at a time, unless one query has more; and queries that are searched together."""
TINY = float(np.finfo(np.float32).tiny)


def searched_together(rows: int) -> int:
    """Queries that are searched together where there are so many rows."""
    return max(1, min(TOGETHER, SCORES_BYTES // (4 * max(1, rows))))


def search_bytes(rows: int) -> int:
    """What a search takes on the device beside the vectors: scores, and what is made of those of a chunk."""
    return 3 * 4 * rows * searched_together(rows)


@dataclass(eq=False)
class Chunk:
    """Rows of shards that follow each other, on the device as they are stored [c, d]; versions may share them."""

    rows: Tensor


@dataclass(frozen=True)
class Piece:
    """A chunk in its place.

    Attributes:
        rows: the chunk's.
        norms: of its rows [c].
        margins: how far the score of each may be off [c].
        offset: number of the first row.
    """

    rows: Tensor
    norms: Tensor
    margins: Tensor
    offset: int

    def allowed(self, mask: Mask) -> Tensor | None:
        """Which of its rows may be hits [c]; None where all may."""
        own = mask[self.offset : self.offset + len(self.norms)]
        return None if own.all() else torch.from_numpy(own).to(self.norms.device)


class Resident(Far):
    """One kind of stored vectors on a device; see `Far`."""

    def __init__(self, parts: Sequence[Part], chunks: Sequence[Chunk], turn: Lock) -> None:
        """Resident in chunks.

        Args:
            parts: the same vectors, by which finalists are scored.
            chunks: which hold them, in the order of their rows.
            turn: held by who searches on the device, whose memory is one search's.
        """
        self._parts, self._turn = parts, turn
        self._chunks = chunks  # whoever loads another version finds those that are held
        self._rows = sum(part.rows for part in parts)
        norms = torch.from_numpy(np.concatenate([np.zeros(0, np.float32), *(part.norms for part in parts)]))
        self._pieces, offset = list[Piece](), 0
        for chunk in chunks:
            own = norms[offset : offset + len(chunk.rows)].to(chunk.rows.device)
            self._pieces.append(Piece(chunk.rows, own, own * error_of(chunk.rows) + TINY, offset))
            offset += len(own)

    @property
    def extents(self) -> list[Extent]:
        """See `Far.extents`."""
        return [Extent(part.offset, part.rows, part.dim) for part in self._parts]

    @property
    def largest(self) -> float:
        """See `Far.largest`."""
        return largest_norm(self._parts)

    def vector(self, row: int) -> NDArray[np.float64]:
        """See `Far.vector`."""
        return stored_vector(self._parts, row)

    def exact(self, queries: Queries, rows: Rows) -> Scores:
        """See `Far.exact`."""
        return np.stack([rescore(self._parts, query, rows) for query in queries])

    def products(self, queries: Queries, rows: Rows) -> NDArray[np.float32]:
        """See `Far.products`."""
        return products_of(self._parts, queries, rows)

    def finalists(self, queries: Queries, k: int, mask: Mask | None, since: int) -> list[Scored]:
        """See `Far.finalists`.

        Args:
            queries: [q, d].
            k: rows a query.
            mask: rows that may be hits [n].
            since: the first row of the shards that are looked at.
        """
        allowed = np.ones(self._rows, bool) if mask is None else mask.copy()
        allowed[:since] = False
        together = searched_together(self._rows)
        found = list[Scored]()
        for start in range(0, len(queries), together):
            some = queries[start : start + together]
            with self._turn, torch.inference_mode():
                chosen = self._hopeful(some, k, allowed)
            found += [Scored(rows, rescore(self._parts, query, rows)) for query, rows in zip(some, chosen, strict=True)]
        return found

    def _hopeful(self, queries: Queries, k: int, allowed: Mask) -> list[Rows]:
        """Rows that may be among the k best of each query: no k others surely beat them."""
        scores, lows = list[Tensor](), list[Tensor]()
        columns = dict[torch.device, Tensor]()
        for piece in self._pieces:  # each device works on its own ones, while the next is given its
            still_waited()
            device = piece.rows.device
            if device not in columns:
                columns[device] = columns_of(queries, piece.rows)
            found = products(piece.rows, columns[device]).mul_(piece.norms[:, None])
            if (own := piece.allowed(allowed)) is not None:
                found[~own] = -torch.inf
            scores.append(found)
            lows.append((found - piece.margins[:, None]).topk(min(k, len(found)), dim=0).values)
        floors, hits = self._floors(lows, k), [np.zeros((0, 2), np.int64)]
        for piece, found in zip(self._pieces, scores, strict=True):
            beaten = found + piece.margins[:, None] < floors.to(found.device)
            hopeful = ~beaten  # turned round, so that what is no number stays in
            if (own := piece.allowed(allowed)) is not None:
                hopeful &= own[:, None]
            hits.append(np.add(hopeful.nonzero().cpu().numpy(), (piece.offset, 0)))
        rows, of = np.concatenate(hits).T
        return [rows[of == number] for number in range(len(queries))]

    @staticmethod
    def _floors(lows: Sequence[Tensor], k: int) -> Tensor:
        """What k rows surely score at least, for each query [q]."""
        best = torch.cat([low.to(lows[0].device) for low in lows])
        if len(best) < k:
            return best.new_full((best.shape[1],), -torch.inf)
        return best.topk(k, dim=0).values[-1]
