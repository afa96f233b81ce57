"""IA-Neurons: the neurons of the instances that an IA method finds."""

from dataclasses import replace

from attridex.service.answering.call import Call
from attridex.service.answering.influential import Wanted, find_influential
from attridex.service.neurons.aggregates import AGGREGATES
from attridex.service.reading.checks import check_neurons, check_r, choose, hits_wanted
from attridex.service.reading.predictions import prediction_of
from attridex.v1.answers import NeuronsAnswer, NeuronsResult
from attridex.v1.requests import FindNeuronsByInstancesRequest


def find_neurons_by_instances(call: Call, request: FindNeuronsByInstancesRequest) -> NeuronsAnswer:
    """Neurons of each query's influential instances, combined by an aggregate."""
    aggregate, version = choose("aggregate", request.aggregate, AGGREGATES), call.version
    k = hits_wanted(version, request.instances, "instances")
    check_r(version, request.r)
    check_neurons(version)
    wanted = Wanted(request.queries, request.scoring, k, request.where, request.label, allow_partial=request.allow_partial)
    found = find_influential(call, wanted)
    results = tuple(
        NeuronsResult(one.query.id, prediction_of(version, one), aggregate.combine(version, hits.rows, request.r))
        for one, hits in zip(found.asked, found.hits, strict=True)
    )
    meaning, info = aggregate.wording.of(version.manifest.task), found.info(call)
    named = replace(info, method=f"{info.method}/{request.aggregate}", sign=meaning.sign, scale=meaning.scale)
    return NeuronsAnswer(named, results)
