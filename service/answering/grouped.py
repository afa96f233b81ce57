"""The search behind grouped IA and NA-Instances: all rows are scored exactly, those of a group summed, the best groups found."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from attridex.service.answering.call import Call
from attridex.service.answering.hits import group_hits
from attridex.service.answering.influential import Influential, Wanted, checked_scores, checked_space
from attridex.service.errors import InvalidArgumentError
from attridex.service.neurons.similarities import DenseSimilarity, Similarity
from attridex.service.reading.asked import Asked, as_scores, neurons_of
from attridex.service.scoring.method import Float64, RowMethod, unit
from attridex.service.scoring.settle import Settled, settle
from attridex.service.search.groups import GroupHits, Grouping, best_groups, grouping
from attridex.service.search.postings import shared_by_groups, sharing
from attridex.service.search.scan import rescore
from attridex.v1.answers import InstanceHit
from attridex.v1.requests import FindInstancesByNeuronsRequest

Hits = tuple[InstanceHit, ...]
SUMMED = "; summed over instances with the same {column}"
"""What is said of the scores of groups."""


def check_whole(allow_partial: bool) -> None:
    """Refuse sums over some of the instances.

    Raises:
        InvalidArgumentError: they are allowed.
    """
    if allow_partial:
        raise InvalidArgumentError("group: sums need every instance's score; leave out allow_partial", "allow_partial")


@dataclass(frozen=True)
class InfluentialGroups:
    """Queries made ready, and the groups of each, best first; `search` says how rows were scored."""

    search: Influential
    hits: list[GroupHits]


def find_groups(call: Call, wanted: Wanted, column: str) -> InfluentialGroups:
    """Settle the method, make the queries ready, and sum the scores of instances with the same value of a column.

    Raises:
        InvalidArgumentError: an approximate answer is asked for, or there is no such column.
    """
    settled = settle(call.version, call.tools.methods, wanted.scoring, call.label(wanted.label))
    if settled.structure is not None:
        raise InvalidArgumentError("group: sums need every instance's score; leave out approximate and exact = false", "group")
    settled = replace(settled, meaning=settled.meaning.adding(SUMMED.format(column=column)))
    groups, method = grouping(call.version, column), settled.method
    asked = call.reader.ask(wanted.queries, method.need(settled.label), method.sources, model_needed=method.model_needed)
    mask = call.mask(wanted.where)
    rows = np.arange(call.version.rows) if mask is None else np.flatnonzero(mask)
    with call.caller.spent.searching():
        scores = row_scores(call, settled, asked, rows)
        found = [best_groups(groups, rows, own, wanted.k, ascending=wanted.ascending) for own in scores]
    return InfluentialGroups(Influential(asked, [], settled), found)


def neuron_groups(
    call: Call, similarity: Similarity, asked: Sequence[Asked], request: FindInstancesByNeuronsRequest, groups: Grouping, k: int
) -> list[Hits]:
    """The groups whose instances are most like each query through neurons, their scores summed.

    Args:
        call: the request's context.
        similarity: how alike an instance is; one that is no hit by itself counts for nothing.
        asked: the queries.
        request: how many neurons count, which rows do, and the columns of hits.
        groups: of all rows.
        k: groups a query.
    """
    version, mask, found = call.version, call.mask(request.where), list[Hits]()
    for one in asked:
        call.caller.checkpoint()
        if isinstance(similarity, DenseSimilarity):
            rows = np.arange(version.rows) if mask is None else np.flatnonzero(mask)
            scores = rescore(similarity.stored(version), unit(similarity.vector(version, one)[None])[0], rows)
            found.append(group_hits(version, best_groups(groups, rows, scores, k), request.fields))
            continue
        neurons = [neuron for neuron, _ in neurons_of(version, one, request.r)]
        hits = group_hits(version, best_groups(groups, *sharing(version, neurons, mask), k), request.fields)
        shared = shared_by_groups(version, neurons, groups, mask)
        found.append(tuple(replace(hit, shared=as_scores(version, shared[hit.id])) for hit in hits))
    return found


def row_scores(call: Call, settled: Settled, asked: Sequence[Asked], rows: NDArray[np.int64]) -> Iterator[Float64]:
    """Exact scores of rows for each query.

    Args:
        call: the request's context.
        settled: the method.
        asked: the queries.
        rows: that are scored.
    """
    method, version = settled.method, call.version
    if isinstance(method, RowMethod):
        for one in asked:
            call.caller.checkpoint()
            yield checked_scores(method, method.row_scores(version, one, settled.values), version.rows)[rows]
        return
    space = checked_space(method, version, asked, settled)
    for query in space.queries:
        call.caller.checkpoint()
        yield rescore(space.stored, query, rows)
