"""What a group of shards is asked, and what it answers with. All of it travels by pickle.

Rows are counted from 0 in the group. Letters: q queries, n rows of the group, m of any, d dimensions.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from attridex.service.storage.far import Kind, Mask, Rows

Queries = NDArray[np.float64]


@dataclass(frozen=True)
class Portion:
    """The shards of a version that a group holds.

    Attributes:
        index: its directory.
        version: the version's directory.
        sha256: of its manifest.
        first: place of the first of the shards in the manifest.
        stop: the place after the last.
    """

    index: Path
    version: str
    sha256: str
    first: int
    stop: int


@dataclass(frozen=True)
class Load:
    """Have the vectors of a kind in memory; answered by `Loaded`."""

    kind: Kind


class Loaded(NamedTuple):
    """Of a group's vectors of a kind: how many, their dimensions, and the largest norm."""

    rows: int
    dim: int
    largest: float


@dataclass(frozen=True, eq=False)
class AskFinalists:
    """See `Far.finalists`; answered by a list of `Scored`."""

    kind: Kind
    queries: Queries
    k: int
    mask: Mask | None
    since: int


@dataclass(frozen=True, eq=False)
class AskExact:
    """See `Far.exact`; answered by scores [q, m] in float64."""

    kind: Kind
    queries: Queries
    rows: Rows


@dataclass(frozen=True, eq=False)
class AskProducts:
    """See `Far.products`; answered by scores [q, m] in float32."""

    kind: Kind
    queries: Queries
    rows: Rows


@dataclass(frozen=True)
class AskVector:
    """See `Far.vector`; answered by the vector [d]."""

    kind: Kind
    row: int


What = Load | AskFinalists | AskExact | AskProducts | AskVector


@dataclass(frozen=True, eq=False)
class Question:
    """Something that is asked of a portion, and for how many seconds an answer is waited for."""

    portion: Portion
    what: What
    seconds: float


@dataclass(frozen=True)
class Keep:
    """Let every other portion go; answered by None."""

    portions: frozenset[Portion]


@dataclass(frozen=True)
class Ping:
    """Be there; answered by None."""


Message = Question | Keep | Ping
"""What a replica is sent."""
