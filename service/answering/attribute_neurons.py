"""NA: the FFN neurons that a prediction owes most to."""

from dataclasses import replace

from attridex.service.answering.call import Call
from attridex.service.encoding.need import Need
from attridex.service.neurons.attribution import EXACT, neuron_meaning, neuron_method, stored_neuron_method
from attridex.service.reading.asked import as_scores, neurons_of
from attridex.service.reading.checks import check_r
from attridex.service.reading.predictions import prediction_of
from attridex.v1.answers import NeuronsAnswer, NeuronsResult
from attridex.v1.requests import AttributeNeuronsRequest


def attribute_neurons(call: Call, request: AttributeNeuronsRequest) -> NeuronsAnswer:
    """The r kept neurons with the highest score; all kept ones for r = 0."""
    version, manifest = call.version, call.version.manifest
    check_r(version, request.r)
    method = neuron_method(manifest, request.method)
    fast = method != stored_neuron_method(manifest)
    asked = call.reader.ask(request.queries, Need(neurons=True, fast=fast), sign=fast)
    results = tuple(
        NeuronsResult(one.query.id, prediction_of(version, one), as_scores(version, neurons_of(version, one, request.r or None)))
        for one in asked
    )
    info = call.info(method, neuron_meaning(manifest, method))
    return NeuronsAnswer(replace(info, exact=method == EXACT), results)
