"""NA-Instances: training instances found through a prediction's neurons."""

from collections.abc import Sequence

import numpy as np

from attridex.service.answering.call import Call
from attridex.service.answering.grouped import SUMMED, check_whole, neuron_groups
from attridex.service.answering.hits import scored_hits, sharing_hits
from attridex.service.encoding.need import Need
from attridex.service.neurons.similarities import SIMILARITIES, DenseSimilarity
from attridex.service.reading.asked import Asked, as_scores, neurons_of
from attridex.service.reading.checks import check_fields, check_r, choose, hits_wanted
from attridex.service.reading.predictions import prediction_of
from attridex.service.scoring.method import unit
from attridex.service.search.groups import grouping
from attridex.service.search.postings import dcns
from attridex.v1.answers import InstanceHit, InstancesAnswer, InstancesResult
from attridex.v1.requests import FindInstancesByNeuronsRequest

Hits = tuple[InstanceHit, ...]


def find_instances_by_neurons(call: Call, request: FindInstancesByNeuronsRequest) -> InstancesAnswer:
    """Training instances that keep the query's neurons, or whose dense signatures are like the query's."""
    similarity, version = choose("similarity", request.similarity, SIMILARITIES), call.version
    k = hits_wanted(version, request.k)
    check_r(version, request.r)
    check_fields(version, request.fields)
    groups, meaning = None, similarity.meaning
    if request.group:
        check_whole(request.allow_partial)
        groups, meaning = grouping(version, request.group), meaning.adding(SUMMED.format(column=request.group))
    asked = call.reader.ask(request.queries, Need(neurons=True), similarity.sources)
    with call.caller.spent.searching():
        if groups:
            hits = neuron_groups(call, similarity, asked, request, groups, k)
        elif isinstance(similarity, DenseSimilarity):
            hits = by_signature(call, similarity, asked, request, k)
        else:
            hits = by_postings(call, asked, request, k)
        results = tuple(
            InstancesResult(
                one.query.id, prediction_of(version, one), found, as_scores(version, neurons_of(version, one, request.r))
            )
            for one, found in zip(asked, hits, strict=True)
        )
    return InstancesAnswer(call.info(request.similarity, meaning), results)


def by_postings(call: Call, asked: Sequence[Asked], request: FindInstancesByNeuronsRequest, k: int) -> list[Hits]:
    """Hits that share the most with each query's top neurons.

    Args:
        call: the request's context.
        asked: the queries.
        request: how many neurons count, which rows may be hits, and their columns.
        k: hits a query.
    """
    version, mask, found = call.version, call.mask(request.where), []
    for one in asked:
        call.caller.checkpoint()
        neurons = [neuron for neuron, _ in neurons_of(version, one, request.r)]
        found.append(sharing_hits(version, dcns(version, neurons, k, mask), request.fields))
    return found


def by_signature(
    call: Call, similarity: DenseSimilarity, asked: Sequence[Asked], request: FindInstancesByNeuronsRequest, k: int
) -> list[Hits]:
    """Hits whose signatures have the highest cosine with each query's.

    Args:
        call: the request's context.
        similarity: which signatures.
        asked: the queries.
        request: which rows may be hits, and their columns.
        k: hits a query.
    """
    version = call.version
    vectors = unit(np.stack([similarity.vector(version, one) for one in asked]))
    found = call.tools.scanner.top(
        similarity.stored(version), vectors, k, version.ids_of, call.caller.checkpoint, mask=call.mask(request.where)
    )
    return [scored_hits(version, hits, request.fields) for hits in found]
