"""The stored vectors of a version, divided among groups, and asked where they are.

Letters: q queries, n rows of the index, m of any, d dimensions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from attridex.indexer.errors import DamageError
from attridex.indexer.index.records import Manifest
from attridex.service.caller import PARTLY
from attridex.service.errors import ShardsError
from attridex.service.groups.gathering import Patience, Silent
from attridex.service.groups.questions import (
    AskExact,
    AskFinalists,
    AskProducts,
    AskVector,
    Load,
    Loaded,
    Portion,
    Queries,
    Question,
    What,
)
from attridex.service.storage.far import Extent, Far, Kind, Mask, Rows, Scored, Scores, Vectors

OPENING = Patience(600.0, 0.0)
"""For reading vectors into memory; all replicas do at once."""
OR_PARTLY = ", or with allow_partial for what the others hold"


@dataclass(frozen=True)
class Held:
    """What a group holds of a version: rows [start, stop), of shards of these names."""

    portion: Portion
    start: int
    stop: int
    shards: tuple[str, ...]


class Asked(Protocol):
    """Who asks the groups."""

    patience: Patience

    def ask(self, questions: Mapping[int, Question], patience: Patience) -> dict[int, Any]:
        """Answers by group; see `gather`."""

    def name(self, number: int) -> str:
        """What a group is called in messages."""

    def release(self, vectors: "GroupedVectors") -> None:
        """Let a version's vectors go, where they are."""


class GroupedVectors(Vectors):
    """The stored vectors of a version, divided among groups; see `Vectors`."""

    def __init__(self, groups: Asked, held: Mapping[int, Held], manifest: Manifest) -> None:
        """Nothing is asked yet.

        Args:
            groups: who is asked.
            held: what each of them holds.
            manifest: of the version.
        """
        self._groups, self.held = groups, held
        self._shard_rows = [shard.rows for shard in manifest.shards]
        self._loaded: dict[Kind, Loaded] = {}

    @property
    def portions(self) -> dict[int, Portion]:
        """What each group holds open for it."""
        return {number: held.portion for number, held in self.held.items()}

    @property
    def rows(self) -> int:
        """How many rows have vectors."""
        loaded = self._loaded.get("gradients")
        return loaded.rows if loaded else sum(self._shard_rows)

    def of(self, kind: Kind) -> "Grouped":
        """Those of a kind."""
        return Grouped(self, kind)

    def load(self, kind: Kind) -> Loaded:
        """Have all vectors of a kind in memory; how they are.

        Raises:
            DamageError: groups hold vectors of several dimensions, or a file is not what was written.
            ShardsError: no replica of a group answers.
        """
        if kind not in self._loaded:
            answers = self.ask({number: Load(kind) for number in self.held}, OPENING).values()
            if len({each.dim for each in answers}) > 1:
                raise DamageError("shards hold vectors of several dimensions")
            rows, largest = sum(each.rows for each in answers), max((each.largest for each in answers), default=0.0)
            self._loaded[kind] = Loaded(rows, max((each.dim for each in answers), default=0), largest)
        return self._loaded[kind]

    def extents(self, dim: int) -> list[Extent]:
        """The shards, where their vectors are of so many dimensions."""
        found, start = list[Extent](), 0
        for rows in self._shard_rows:
            found.append(Extent(start, rows, dim))
            start += rows
        return found

    def ask(self, whats: Mapping[int, What], patience: Patience | None = None, *, partly: bool = False) -> dict[int, Any]:
        """Answers by group.

        Args:
            whats: what each group is asked.
            patience: how long it is waited for; as for every answer where None.
            partly: leave out groups that do not answer, where the request allows that.

        Raises:
            DamageError: a file is not what was written.
            ShardsError: a group does not answer.
        """
        questions = {number: Question(self.held[number].portion, what, 0.0) for number, what in whats.items()}
        lacking = PARTLY.get() if partly else None
        patience = patience or self._groups.patience
        answers = self._groups.ask(questions, patience if lacking is None else replace(patience, again=False))
        silent = {number: each for number, each in answers.items() if isinstance(each, Silent)}
        if silent and (lacking is None or len(silent) == len(answers)):
            number, first = next(iter(silent.items()))
            raise ShardsError(f"{self._called(number)} does not answer: {first.why}; ask again{OR_PARTLY if partly else ''}")
        if lacking is not None:
            lacking.shards.update(shard for number in silent for shard in self.held[number].shards)
        return {number: each for number, each in answers.items() if number not in silent}

    def _called(self, number: int) -> str:
        held = self.held[number]
        return f"{self._groups.name(number)} (rows {held.start} to {held.stop - 1})"

    def close(self) -> None:
        """Nobody asks for them any more."""
        self._groups.release(self)


class Grouped(Far):
    """One kind of stored vectors, divided among groups; see `Far`."""

    def __init__(self, vectors: GroupedVectors, kind: Kind) -> None:
        """Of a version."""
        self._vectors, self._kind = vectors, kind

    @property
    def extents(self) -> list[Extent]:
        """See `Far.extents`."""
        return self._vectors.extents(self._vectors.load(self._kind).dim)

    @property
    def largest(self) -> float:
        """See `Far.largest`."""
        return self._vectors.load(self._kind).largest

    def vector(self, row: int) -> NDArray[np.float64]:
        """See `Far.vector`."""
        number, held = next((number, held) for number, held in self._vectors.held.items() if held.start <= row < held.stop)
        found: NDArray[np.float64] = self._vectors.ask({number: AskVector(self._kind, row - held.start)})[number]
        return found

    def finalists(self, queries: Queries, k: int, mask: Mask | None, since: int) -> list[Scored]:
        """See `Far.finalists`; groups that hold no row that may be a hit are not asked.

        Args:
            queries: [q, d].
            k: rows a query.
            mask: rows that may be hits [n].
            since: the first row of the shards that are looked at.
        """
        whats = dict[int, What]()
        for number, held in self._vectors.held.items():
            own = None if mask is None else mask[held.start : held.stop]
            if held.stop > since and (own is None or own.any()):
                whats[number] = AskFinalists(self._kind, queries, k, own, max(0, since - held.start))
        answers = self._vectors.ask(whats, partly=True)
        return [self._together(answers, query) for query in range(len(queries))]

    def _together(self, answers: Mapping[int, Sequence[Scored]], query: int) -> Scored:
        """What all groups found for a query, in the order of their rows."""
        found = [(self._vectors.held[number].start, answers[number][query]) for number in sorted(answers)]
        rows = [start + each.rows for start, each in found]
        scores = [each.scores for _, each in found]
        return Scored(np.concatenate([np.zeros(0, np.int64), *rows]), np.concatenate([np.zeros(0), *scores]))

    def exact(self, queries: Queries, rows: Rows) -> Scores:
        """See `Far.exact`."""
        scores = np.empty((len(queries), len(rows)))
        self._fill(scores, queries, rows, AskExact)
        return scores

    def products(self, queries: Queries, rows: Rows) -> NDArray[np.float32]:
        """See `Far.products`."""
        scores = np.empty((len(queries), len(rows)), np.float32)
        self._fill(scores, queries, rows, AskProducts)
        return scores

    def _fill(self, scores: NDArray[Any], queries: Queries, rows: Rows, what: Callable[[Kind, Queries, Rows], What]) -> None:
        """Set scores [q, m] of rows, each by the group that holds it."""
        places = dict[int, NDArray[np.intp]]()
        for number, held in self._vectors.held.items():
            inside = np.flatnonzero((rows >= held.start) & (rows < held.stop))
            if len(inside):
                places[number] = inside
        asked = {number: what(self._kind, queries, rows[at] - self._vectors.held[number].start) for number, at in places.items()}
        for number, found in self._vectors.ask(asked).items():
            scores[:, places[number]] = found
