"""IA: the training instances that a prediction owes most to."""

from attridex.service.answering.call import Call
from attridex.service.answering.grouped import check_whole, find_groups
from attridex.service.answering.hits import group_hits, scored_hits
from attridex.service.answering.influential import Wanted, find_influential
from attridex.service.reading.checks import check_fields, hits_wanted
from attridex.service.reading.predictions import prediction_of
from attridex.v1.answers import InstancesAnswer, InstancesResult
from attridex.v1.requests import AttributeInstancesRequest


def attribute_instances(call: Call, request: AttributeInstancesRequest) -> InstancesAnswer:
    """The k training instances, or groups of them, with the highest (or lowest) score for each query."""
    version, k = call.version, hits_wanted(call.version, request.k)
    check_fields(version, request.fields)
    wanted = Wanted(request.queries, request.scoring, k, request.where, request.label, request.ascending, request.allow_partial)
    if request.group:
        check_whole(request.allow_partial)
        groups = find_groups(call, wanted, request.group)
        found, hits = groups.search, [group_hits(version, each, request.fields) for each in groups.hits]
    else:
        found = find_influential(call, wanted)
        hits = [scored_hits(version, each, request.fields) for each in found.hits]
    results = tuple(
        InstancesResult(one.query.id, prediction_of(version, one), own) for one, own in zip(found.asked, hits, strict=True)
    )
    return InstancesAnswer(found.info(call), results)
