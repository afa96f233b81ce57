"""Label probabilities, plain and with neurons suppressed or kept at the position that the head reads."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from attridex.service.answering.call import Call
from attridex.service.answering.influential import Wanted, find_influential
from attridex.service.encoding.need import Need
from attridex.service.errors import InvalidArgumentError, ServiceError
from attridex.service.meaning import PROBABILITIES
from attridex.service.neurons.aggregates import top_neurons
from attridex.service.reading.asked import Asked, as_scores, neurons_of
from attridex.service.reading.checks import check_neuron_ids, check_r, choose, layout_of
from attridex.service.reading.predictions import signed_prediction
from attridex.service.scoring.curvature import choose_curvature, curvatures_of
from attridex.service.scoring.settle import check_indexed, check_settings
from attridex.v1.answers import InterventionResult, PredictAnswer, PredictResult
from attridex.v1.neurons import Neuron
from attridex.v1.requests import Intervention, PredictRequest, Scoring

if TYPE_CHECKING:
    from attridex.indexer.signing.edits import EditedOutputs

FIRST_INSTANCES, MORE = 10, 4
"""Instances that give an intervention's neurons at first, and how many times more where their best neurons repeat."""
Neurons = tuple[Neuron, ...]


def predict(call: Call, request: PredictRequest) -> PredictAnswer:
    """Probabilities of each query, plain and under each intervention."""
    for intervention in request.interventions:
        check_intervention(call, intervention)
    tops = [each for each in request.interventions if each.neurons is None]
    need = Need(gradient=any(each.scoring is not None for each in tops), neurons=bool(tops))
    asked = call.reader.ask(request.queries, need, sign=True)
    results = tuple(edited_prediction(call, one, request.interventions, need) for one in asked)
    info = call.info("predict", PROBABILITIES.of(call.version.manifest.task))
    return PredictAnswer(replace(info, stale=stale_of(call, tops)), results)


def stale_of(call: Call, tops: Sequence[Intervention]) -> tuple[str, ...]:
    """What the IA methods of interventions use that was taken of other instances than those that are live now."""
    methods = [choose("interventions", each.scoring.method, call.tools.methods) for each in tops if each.scoring]
    used = {name for method in methods for name in method.taken_of_all}
    return tuple(name for name in call.version.stale if name in used)


# ---------------------------------------------------------------- what can be carried out


def check_intervention(call: Call, intervention: Intervention) -> None:
    """Refuse an intervention that cannot be carried out."""
    if intervention.neurons is not None:
        if intervention.neurons:
            check_neuron_ids(call.version, intervention.neurons, f"intervention '{intervention.name}'", "interventions")
        return
    check_r(call.version, intervention.r)
    if intervention.scoring is not None:
        check_scoring(call, intervention.scoring)


def check_scoring(call: Call, scoring: Scoring) -> None:
    """Refuse an IA method that this index cannot find instances by."""
    method, manifest = choose("interventions", scoring.method, call.tools.methods), call.version.manifest
    check_indexed(manifest, method)
    if not method.has("curvature"):
        if scoring.curvature:
            raise InvalidArgumentError(f"interventions: method '{method.name}' has no curvature", "interventions")
    else:
        known = curvatures_of(manifest)
        if not scoring.curvature and len(known) > 1:
            raise InvalidArgumentError(
                f"interventions: '{method.name}' can use {', '.join(known)} here; name one: 'ia:{method.name}/{known[0]}'",
                "interventions",
            )
        choose_curvature(manifest, method.name, scoring.curvature)
    check_settings(call.tools.methods, scoring)


# ---------------------------------------------------------------- carrying it out


def edited_prediction(call: Call, one: Asked, interventions: Sequence[Intervention], need: Need) -> PredictResult:
    """What the model says of one query.

    Args:
        call: the request's context.
        one: the query, signed.
        interventions: the edits to carry out.
        need: what the query was signed for.
    """
    from attridex.indexer.signing.edits import NeuronEdit

    if one.signature is None or one.instance is None:
        raise ServiceError(f"query '{one.name}': no prediction")
    if not interventions:
        return PredictResult(one.query.id, signed_prediction(one.signature), ())
    chosen = [chosen_neurons(call, one, intervention) for intervention in interventions]
    layout = layout_of(call.version)
    edits = [
        NeuronEdit(intervention.mode, tuple((each.layer, layout.place(each)) for each in neurons))
        for intervention, neurons in zip(interventions, chosen, strict=True)
    ]
    edited = call.reader.model().edit(one.instance, edits, call.caller)
    results = tuple(
        intervention_result(one.signature.outputs, intervention, neurons, edited, row)
        for row, (intervention, neurons) in enumerate(zip(interventions, chosen, strict=True), 1)
    )
    return PredictResult(one.query.id, signed_prediction(one.signature), results)


def chosen_neurons(call: Call, one: Asked, intervention: Intervention) -> Neurons:
    """The neurons of an intervention for one query."""
    if intervention.neurons is not None:
        return tuple(dict.fromkeys(intervention.neurons))
    if intervention.r == 0:
        return ()
    if intervention.scoring is not None:
        return neurons_of_instances(call, one, intervention.scoring, intervention.r)
    return tuple(score.neuron for score in as_scores(call.version, neurons_of(call.version, one, intervention.r)))


def neurons_of_instances(call: Call, one: Asked, scoring: Scoring, r: int) -> Neurons:
    """The top r neurons of the instances that an IA method finds: more instances until r distinct ones are found.

    Args:
        call: the request's context.
        one: the query.
        scoring: the IA method.
        r: how many neurons.
    """
    live = call.version.live
    k = min(live, max(FIRST_INSTANCES, r))
    while True:
        hits = find_influential(call, Wanted((one.query,), scoring, k)).hits[0]
        found = top_neurons(call.version, hits.rows, r)
        if len(found) == r or k == live:
            return tuple(score.neuron for score in found)
        k = min(live, k * MORE)


def intervention_result(
    outputs: Sequence[str], intervention: Intervention, neurons: Neurons, edited: "EditedOutputs", row: int
) -> InterventionResult:
    """What the model says under one intervention.

    Args:
        outputs: names of what the model decides between.
        intervention: the intervention.
        neurons: those that it edited.
        edited: what was computed.
        row: which of that is meant.
    """
    p = edited.probabilities[row]
    return InterventionResult(
        intervention.name or intervention_name(intervention), intervention.mode,
        edited.said[row] if edited.said else "", dict(zip(outputs, map(float, p), strict=True)),
        neurons, edited.greedy[row] if edited.greedy else "",
    )  # fmt: skip


def intervention_name(intervention: Intervention) -> str:
    """A name for an intervention that has none."""
    if intervention.neurons is not None:
        return f"{intervention.mode} {','.join(neuron.name for neuron in intervention.neurons)}"
    return f"{intervention.mode} {intervention.scoring.short if intervention.scoring else 'na'}:{intervention.r}"
