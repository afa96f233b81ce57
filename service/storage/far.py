"""Stored vectors that lie elsewhere, in other processes or on a GPU, and all that is ever asked of them there.

Letters: q queries, n rows of the index, b rows of a block, m of any, d dimensions.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from attridex.indexer.index.records import Manifest
from attridex.indexer.index.vectors import Part
from attridex.service.errors import NotIndexedError

Rows = NDArray[np.int64]
Scores = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Scored(NamedTuple):
    """Rows [m] and their exact scores [m], in no order."""

    rows: Rows
    scores: Scores


class Extent(NamedTuple):
    """A shard's rows: the first one and how many, with the dimensions of their vectors."""

    offset: int
    rows: int
    dim: int


class Far(ABC):
    """One kind of stored vectors of a version, all of its rows. What is asked is answered as `Scanner` answers it of parts."""

    @property
    @abstractmethod
    def extents(self) -> Sequence[Extent]:
        """The shards, in the order of their rows."""

    @property
    @abstractmethod
    def largest(self) -> float:
        """The largest of all rows' norms."""

    @abstractmethod
    def vector(self, row: int) -> NDArray[np.float64]:
        """A stored vector times its norm [d]."""

    @abstractmethod
    def finalists(self, queries: NDArray[np.float64], k: int, mask: Mask | None, since: int) -> list[Scored]:
        """For each query at least its k best rows with all that tie with the last of them, scored exactly.

        Args:
            queries: [q, d]; a row's score is norm * <query, unit vector>.
            k: rows a query.
            mask: rows that may be hits [n].
            since: the first row of the shards that are looked at.
        """

    @abstractmethod
    def exact(self, queries: NDArray[np.float64], rows: Rows) -> Scores:
        """Exact scores [q, m] of rows [m], ascending."""

    @abstractmethod
    def products(self, queries: NDArray[np.float64], rows: Rows) -> NDArray[np.float32]:
        """Scores [q, b] in float32 of rows [b] of one shard, ascending."""

    def __iter__(self) -> NoReturn:
        """Nobody reads them here.

        Raises:
            NotIndexedError: always.
        """
        raise NotIndexedError(
            "this reads the stored vectors itself, which lie elsewhere here; serve the index without --groups and --search-device"
        )

    def __getitem__(self, _: object) -> NoReturn:
        """See `__iter__`."""
        iter(self)

    def __len__(self) -> NoReturn:
        """See `__iter__`."""
        iter(self)


Stored = Sequence[Part] | Far
"""One kind of stored vectors of all rows, in this process or in others."""
Kind = Literal["gradients", "unit_gradients", "hidden", "activations", "attributions", "tracin"]
"""Kinds of stored vectors, as `IndexVersion` calls them."""


class Vectors(Protocol):
    """All stored vectors of an open version."""

    @property
    def rows(self) -> int:
        """How many rows have vectors."""

    def of(self, kind: Kind) -> Stored:
        """Those of a kind."""

    def placed(self, structure: Any) -> Any:
        """A structure of FAISS for approximate search, where it is asked: in this process, unless it may lie with the vectors."""
        return structure

    def close(self) -> None:
        """Nobody asks for them any more."""


class Spread(Protocol):
    """Opens the stored vectors of versions elsewhere."""

    def open(self, index: Path, manifest: Manifest, sha256: str, *, light: bool) -> Vectors:
        """Those of a version.

        Args:
            index: its directory.
            manifest: of the version.
            sha256: of that manifest.
            light: open them when they are asked for.

        Raises:
            DamageError: a file is missing or not what was written.
            ShardsError: some of them are out of reach.
        """
