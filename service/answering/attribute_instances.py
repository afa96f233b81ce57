"""IA: the training instances that a prediction owes most to."""

from attridex.service.answering.call import Call
from attridex.service.answering.hits import scored_hits
from attridex.service.answering.influential import Wanted, find_influential
from attridex.service.reading.checks import check_fields, hits_wanted
from attridex.service.reading.predictions import prediction_of
from attridex.v1.answers import InstancesAnswer, InstancesResult
from attridex.v1.requests import AttributeInstancesRequest


def attribute_instances(call: Call, request: AttributeInstancesRequest) -> InstancesAnswer:
    """The k training instances with the highest (or lowest) score for each query."""
    version, k = call.version, hits_wanted(call.version, request.k)
    check_fields(version, request.fields)
    found = find_influential(call, Wanted(request.queries, request.scoring, k, request.where, request.label, request.ascending))
    results = tuple(
        InstancesResult(one.query.id, prediction_of(version, one), scored_hits(version, hits, request.fields))
        for one, hits in zip(found.asked, found.hits, strict=True)
    )
    return InstancesAnswer(found.info(call), results)
