"""Requests to and from protobuf."""

from collections.abc import Mapping
from typing import Any, cast

from attridex.v1 import attribution_pb2 as pb
from attridex.v1.errors import UsageError
from attridex.v1.requests import (
    NAMED_SETTINGS,
    AttributeInstancesRequest,
    AttributeNeuronsRequest,
    ComputeSignatureRequest,
    FindInstancesByNeuronsRequest,
    FindNeuronsByInstancesRequest,
    GetInstancesRequest,
    Intervention,
    ListInstancesRequest,
    PredictRequest,
    Scoring,
    parse_scoring,
)
from attridex.v1.wire_values import (
    MODE_CODES,
    MODES,
    count_to_wire,
    given,
    label_from_wire,
    label_to_wire,
    neurons_from_wire,
    neurons_to_wire,
    queries_from_wire,
    query_to_wire,
    where_from_wire,
    where_to_wire,
)


def scoring_to_wire(scoring: Scoring) -> dict[str, Any]:
    """An IA method's fields of a request."""
    return {
        "method": scoring.method,
        "curvature": scoring.curvature,
        "damping": scoring.damping,
        "lissa_scale": scoring.lissa_scale,
        "lissa_depth": count_to_wire("lissa_depth", scoring.lissa_depth),
        "seed": count_to_wire("seed", scoring.seed, 64),
        "settings": scoring.settings,
        "exact": scoring.exact,
        "approximate": scoring.approximate,
    }


def scoring_from_wire(message: Any) -> Scoring:
    """The IA method of a request."""
    return Scoring(
        method=message.method or Scoring.method,
        curvature=message.curvature,
        damping=given(message, "damping"),
        lissa_scale=given(message, "lissa_scale"),
        lissa_depth=given(message, "lissa_depth"),
        seed=given(message, "seed"),
        settings=dict(message.settings),
        exact=given(message, "exact"),
        approximate=message.approximate,
    )


def attribute_instances_to_wire(request: AttributeInstancesRequest) -> pb.AttributeInstancesRequest:
    """IA."""
    return pb.AttributeInstancesRequest(
        index=request.index,
        queries=map(query_to_wire, request.queries),
        k=count_to_wire("k", request.k),
        where=where_to_wire(request.where),
        label=label_to_wire(request.label),
        fields=request.fields,
        ascending=request.ascending,
        **scoring_to_wire(request.scoring),
    )


def attribute_instances_from_wire(message: pb.AttributeInstancesRequest) -> AttributeInstancesRequest:
    """IA."""
    return AttributeInstancesRequest(
        queries=queries_from_wire(message.queries),
        scoring=scoring_from_wire(message),
        k=given(message, "k"),
        where=where_from_wire(message),
        label=label_from_wire(message.label),
        fields=tuple(message.fields),
        ascending=message.ascending,
        index=message.index,
    )


def attribute_neurons_to_wire(request: AttributeNeuronsRequest) -> pb.AttributeNeuronsRequest:
    """NA."""
    return pb.AttributeNeuronsRequest(
        index=request.index,
        queries=map(query_to_wire, request.queries),
        r=count_to_wire("r", request.r),
        method=request.method,
    )


def attribute_neurons_from_wire(message: pb.AttributeNeuronsRequest) -> AttributeNeuronsRequest:
    """NA."""
    return AttributeNeuronsRequest(
        queries=queries_from_wire(message.queries),
        r=message.r if message.HasField("r") else AttributeNeuronsRequest.r,
        method=message.method,
        index=message.index,
    )


def find_instances_to_wire(request: FindInstancesByNeuronsRequest) -> pb.FindInstancesByNeuronsRequest:
    """NA-Instances."""
    return pb.FindInstancesByNeuronsRequest(
        index=request.index,
        queries=map(query_to_wire, request.queries),
        r=count_to_wire("r", request.r),
        k=count_to_wire("k", request.k),
        similarity=request.similarity,
        where=where_to_wire(request.where),
        fields=request.fields,
    )


def find_instances_from_wire(message: pb.FindInstancesByNeuronsRequest) -> FindInstancesByNeuronsRequest:
    """NA-Instances."""
    return FindInstancesByNeuronsRequest(
        queries=queries_from_wire(message.queries),
        r=message.r if message.HasField("r") else FindInstancesByNeuronsRequest.r,
        k=given(message, "k"),
        similarity=message.similarity or FindInstancesByNeuronsRequest.similarity,
        where=where_from_wire(message),
        fields=tuple(message.fields),
        index=message.index,
    )


def find_neurons_to_wire(request: FindNeuronsByInstancesRequest) -> pb.FindNeuronsByInstancesRequest:
    """IA-Neurons."""
    return pb.FindNeuronsByInstancesRequest(
        index=request.index,
        queries=map(query_to_wire, request.queries),
        instances=count_to_wire("instances", request.instances),
        r=count_to_wire("r", request.r),
        aggregate=request.aggregate,
        where=where_to_wire(request.where),
        label=label_to_wire(request.label),
        **scoring_to_wire(request.scoring),
    )


def find_neurons_from_wire(message: pb.FindNeuronsByInstancesRequest) -> FindNeuronsByInstancesRequest:
    """IA-Neurons."""
    return FindNeuronsByInstancesRequest(
        queries=queries_from_wire(message.queries),
        scoring=scoring_from_wire(message),
        instances=given(message, "instances"),
        r=message.r if message.HasField("r") else FindNeuronsByInstancesRequest.r,
        aggregate=message.aggregate or FindNeuronsByInstancesRequest.aggregate,
        where=where_from_wire(message),
        label=label_from_wire(message.label),
        index=message.index,
    )


def predict_to_wire(request: PredictRequest) -> pb.PredictRequest:
    """Predict."""
    return pb.PredictRequest(
        index=request.index,
        queries=map(query_to_wire, request.queries),
        interventions=map(intervention_to_wire, request.interventions),
    )


def predict_from_wire(message: pb.PredictRequest) -> PredictRequest:
    """Predict."""
    return PredictRequest(
        queries_from_wire(message.queries), tuple(map(intervention_from_wire, message.interventions)), message.index
    )


def intervention_to_wire(intervention: Intervention) -> pb.Intervention:
    """An intervention."""
    mode: Any = MODE_CODES[intervention.mode]
    if intervention.neurons is not None:
        neurons = pb.NeuronSet(neurons=neurons_to_wire(intervention.neurons))
        return pb.Intervention(name=intervention.name, mode=mode, neurons=neurons)
    top = pb.TopNeurons(r=count_to_wire("r", intervention.r), **top_method(intervention.scoring))
    return pb.Intervention(name=intervention.name, mode=mode, top=top)


def top_method(scoring: Scoring | None) -> dict[str, Any]:
    """How an intervention's neurons are found: "na", or "ia:METHOD[/CURVATURE]" and the method's other settings as text."""
    if scoring is None:
        return {"method": "na"}
    short = f"ia:{scoring.method}" + (f"/{scoring.curvature}" if scoring.curvature else "")
    return {"method": short, "settings": {name: str(v) for name, v in scoring.given.items() if name != "curvature"}}


def intervention_from_wire(message: pb.Intervention) -> Intervention:
    """An intervention.

    Raises:
        UsageError: its mode, its choice or its method is not set, or unknown.
    """
    choice = message.WhichOneof("choice")
    if message.mode not in MODES or choice is None:
        raise UsageError(f"interventions: '{message.name}' needs a mode (suppress or keep) and neurons or top", "interventions")
    mode = MODES[message.mode]
    if choice == "neurons":
        return Intervention(mode, neurons_from_wire(message.neurons.neurons), name=message.name)
    scoring = parse_scoring(message.top.method or "na")
    method = "na" if scoring is None else with_settings(scoring, message.top.settings)
    return Intervention(mode, None, method, message.top.r, message.name)


def with_settings(scoring: Scoring, settings: Mapping[str, str]) -> Scoring:
    """A scoring with settings as text; those that have fields of their own go there.

    Raises:
        UsageError: a number is none.
    """
    kinds = {"damping": float, "lissa_scale": float, "lissa_depth": int, "seed": int}
    named: dict[str, Any] = {}
    for name in kinds.keys() & settings.keys():
        try:
            named[name] = kinds[name](settings[name])
        except ValueError:
            raise UsageError(f"{name} = {settings[name]!r}: a number is needed", name) from None
    others = {name: value for name, value in settings.items() if name not in NAMED_SETTINGS}
    return Scoring(scoring.method, scoring.curvature, settings=others, **named)


def compute_signature_to_wire(request: ComputeSignatureRequest) -> pb.ComputeSignatureRequest:
    """ComputeSignature."""
    return pb.ComputeSignatureRequest(
        index=request.index, queries=map(query_to_wire, request.queries), label=label_to_wire(request.label)
    )


def compute_signature_from_wire(message: pb.ComputeSignatureRequest) -> ComputeSignatureRequest:
    """ComputeSignature."""
    return ComputeSignatureRequest(queries_from_wire(message.queries), label_from_wire(message.label), message.index)


def get_instances_to_wire(request: GetInstancesRequest) -> pb.GetInstancesRequest:
    """GetInstances."""
    return pb.GetInstancesRequest(
        index=request.index,
        ids=request.ids,
        fields=request.fields,
        with_neurons=request.with_neurons,
        with_hidden=request.with_hidden,
    )


def get_instances_from_wire(message: pb.GetInstancesRequest) -> GetInstancesRequest:
    """GetInstances."""
    return GetInstancesRequest(
        tuple(message.ids), tuple(message.fields), message.with_neurons, message.with_hidden, message.index
    )


def list_instances_to_wire(request: ListInstancesRequest) -> pb.ListInstancesRequest:
    """ListInstances."""
    return pb.ListInstancesRequest(
        index=request.index,
        where=where_to_wire(request.where),
        order_by=request.order_by,
        page_size=cast("int", count_to_wire("page_size", request.page_size)),
        page_token=request.page_token,
        fields=request.fields,
    )


def list_instances_from_wire(message: pb.ListInstancesRequest) -> ListInstancesRequest:
    """ListInstances."""
    return ListInstancesRequest(
        where=where_from_wire(message),
        order_by=message.order_by or ListInstancesRequest.order_by,
        page_size=message.page_size or ListInstancesRequest.page_size,
        page_token=message.page_token,
        fields=tuple(message.fields),
        index=message.index,
    )
