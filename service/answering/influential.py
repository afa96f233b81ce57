"""The search behind IA and IA-Neurons: queries, their best rows, and how those were scored."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from attridex.indexer.index.records import OF_STRUCTURES
from attridex.service.answering.call import Call, Mask
from attridex.service.errors import InvalidArgumentError, ServiceError
from attridex.service.reading.asked import Asked
from attridex.service.scoring.method import Float64, RowMethod, Space, VectorMethod
from attridex.service.scoring.settle import Settled, settle
from attridex.service.scoring.structures import Structure
from attridex.service.search.approximate import approximate_top
from attridex.service.search.postings import best_positions
from attridex.service.search.scan import Hits
from attridex.service.storage.version import IndexVersion
from attridex.v1.answers import Info
from attridex.v1.filters import Filter
from attridex.v1.requests import LabelSource, Query, Scoring


@dataclass(frozen=True)
class Wanted:
    """Which rows are looked for: the k best of those that `where` lets through, or the k worst; perhaps of some shards alone."""

    queries: tuple[Query, ...]
    scoring: Scoring
    k: int
    where: Filter | None = None
    label: LabelSource | None = None
    ascending: bool = False
    allow_partial: bool = False


@dataclass(frozen=True)
class Influential:
    """Queries made ready, and the rows of each, best first.

    Attributes:
        structure: what found the rows approximately; None where they are exact.
    """

    asked: list[Asked]
    hits: list[Hits]
    settled: Settled
    structure: Structure | None = None

    def info(self, call: Call) -> Info:
        """How the rows were scored."""
        settled, structure = self.settled, self.structure
        needed = (*settled.method.taken_of_all, *((OF_STRUCTURES,) if structure else ()))
        return replace(
            call.info(settled.method.name, settled.meaning), curvature=settled.curvature, damping=settled.damping,
            label=settled.label, exact=structure is None, recall=structure.recall if structure else None,
            structure=structure.kind if structure else "", stale=tuple(name for name in call.version.stale if name in needed),
        )  # fmt: skip


def find_influential(call: Call, wanted: Wanted) -> Influential:
    """Settle the method, make the queries ready, and search."""
    settled = settle(call.version, call.tools.methods, wanted.scoring, call.label(wanted.label))
    if settled.structure is not None and wanted.allow_partial:
        raise InvalidArgumentError(
            "allow_partial: an approximate answer is of all shards; leave one of them out", "allow_partial"
        )
    method = settled.method
    asked = call.reader.ask(wanted.queries, method.need(settled.label), method.sources, model_needed=method.model_needed)
    search = Search(call, settled, wanted, call.mask(wanted.where))
    with call.caller.spent.searching():
        if isinstance(method, RowMethod):
            return Influential(asked, [search.by_rows(method, one) for one in asked], settled)
        return search.by_vectors(method, asked)


def checked_scores(method: RowMethod, scores: Float64, rows: int) -> Float64:
    """The scores of a method, which may be others'.

    Raises:
        ServiceError: they are not one finite number for each of the index's rows.
    """
    if np.shape(scores) != (rows,) or not np.isfinite(scores).all():
        what = "numbers that are not finite" if np.shape(scores) == (rows,) else f"scores of shape {np.shape(scores)}"
        raise ServiceError(f"method '{method.name}' gave {what}; one finite number for each of {rows} rows is needed")
    return scores


def checked_space(method: VectorMethod, version: IndexVersion, asked: Sequence[Asked], settled: Settled) -> Space:
    """Where a method scans, and the queries' vectors there.

    Args:
        method: which may be others'.
        version: the index.
        asked: the queries.
        settled: the method's settings.

    Raises:
        ServiceError: there is not one finite vector for each query.
    """
    space = method.space(version, asked, settled.values)
    if len(space.queries) != len(asked) or not np.isfinite(space.queries).all():
        raise ServiceError(f"method '{method.name}': one finite vector for each of {len(asked)} queries is needed")
    return space


@dataclass(frozen=True)
class Search:
    """A search made ready."""

    call: Call
    settled: Settled
    wanted: Wanted
    mask: Mask | None

    def by_rows(self, method: RowMethod, one: Asked) -> Hits:
        """The best rows of a method that scores every row."""
        self.call.caller.checkpoint()
        version, ascending = self.call.version, self.wanted.ascending
        values = checked_scores(method, method.row_scores(version, one, self.settled.values), version.rows)
        rows = np.arange(version.rows) if self.mask is None else np.flatnonzero(self.mask)
        chosen = best_positions(version, rows, -values[rows] if ascending else values[rows], self.wanted.k)
        return Hits(rows[chosen], values[rows[chosen]])

    def by_vectors(self, method: VectorMethod, asked: list[Asked]) -> Influential:
        """The best rows of a method that scans vectors, by a structure where one serves."""
        space = checked_space(method, self.call.version, asked, self.settled)
        found = self._approximately(method, space)
        if found is not None:
            return Influential(asked, found, self.settled, self.settled.structure)
        hits = self.call.tools.scanner.top(
            space.stored, space.queries, self.wanted.k, self.call.version.ids_of, self.call.caller.checkpoint,
            mask=self.mask, ascending=self.wanted.ascending,
        )  # fmt: skip
        return Influential(asked, hits, self.settled)

    def _approximately(self, method: VectorMethod, space: Space) -> list[Hits] | None:
        """The best of a structure's candidates; None where there is no structure, or a filter starves it."""
        if self.settled.structure is None:
            return None
        self.call.caller.checkpoint()
        return approximate_top(
            self.call.version, self.call.tools.scanner, self.settled.structure.kind, space.stored, space.queries, self.wanted.k,
            self.mask, weighted=method.weighted, ascending=self.wanted.ascending,
        )  # fmt: skip
