"""Wire messages to requests; `convert_answers` is the way back."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, cast

import numpy as np
from google.protobuf import json_format, struct_pb2

from attridex.service.edge.convert_filters import condition
from attridex.service.errors import InvalidArgumentError
from attridex.service.requests import (
    Condition,
    IaNeuronsRequest,
    InstancesRequest,
    Intervention,
    LabelSource,
    ListRequest,
    NaInstancesRequest,
    NeuronsRequest,
    PredictRequest,
    Query,
    Scoring,
    SignatureRequest,
)
from attridex.v1 import attribution_pb2 as pb

QUERIES = 1024
"""Queries a request may hold."""
DEFAULT_K, DEFAULT_R_NA, DEFAULT_R_DCNS, DEFAULT_R_IA, DEFAULT_PAGE = 10, 20, 5, 10, 100
DTYPES = {pb.DTYPE_FLOAT16: "<f2", pb.DTYPE_FLOAT32: "<f4", pb.DTYPE_FLOAT64: "<f8"}
LABELS: dict[int, LabelSource | None] = {
    pb.LABEL_SOURCE_UNSPECIFIED: None,
    pb.LABEL_SOURCE_GOLD: "gold",
    pb.LABEL_SOURCE_PREDICTED: "predicted",
}
MODES: dict[int, Literal["suppress", "keep"]] = {
    pb.INTERVENTION_MODE_SUPPRESS: "suppress",
    pb.INTERVENTION_MODE_KEEP: "keep",
}
EXACT = 2**53
"""Whole numbers up to here are exact in a Struct, whose numbers are doubles."""


def plain(value: Any) -> Any:
    """A Struct's value as Python's; numbers that are whole become ints, as JSON wrote them."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= EXACT:
        return int(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def record(struct: struct_pb2.Struct, name: str) -> dict[str, Any]:
    """A record; `name` is the query's, for errors.

    Raises:
        InvalidArgumentError: it holds NaN or infinity.
    """
    try:
        return cast(dict[str, Any], plain(json_format.MessageToDict(struct)))
    except (ValueError, json_format.Error):
        raise InvalidArgumentError(
            f"query '{name}': the record holds NaN or infinity; give a number or null", "queries"
        ) from None


def query(message: pb.Query, number: int = 0) -> Query:
    """A query; the use case checks that it has a source. `number` is its position, for errors."""
    source, name = message.WhichOneof("source"), message.id or f"#{number}"
    return Query(
        id=message.id,
        record=record(message.record, name) if source == "record" else None,
        instance_id=message.instance_id if source == "instance_id" else None,
        vector=vector(message.vector, name) if source == "vector" else None,
        neurons=neurons(message.neurons.neurons) if source == "neurons" else None,
    )


def queries(messages: Sequence[pb.Query]) -> tuple[Query, ...]:
    """The queries of a request.

    Raises:
        InvalidArgumentError: too many.
    """
    if len(messages) > QUERIES:
        raise InvalidArgumentError(
            f"queries: {len(messages)} in one request; at most {QUERIES}, use AttributeStream for more", "queries"
        )
    return tuple(query(message, number) for number, message in enumerate(messages))


def vector(message: pb.Vector, name: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The vector of the query `name` as float32; what float32 cannot hold becomes infinite, which the use case refuses.

    Raises:
        InvalidArgumentError: no element type, or bytes that do not fit it.
    """
    dtype = DTYPES.get(message.dtype)
    if dtype is None:
        raise InvalidArgumentError(f"query '{name}': the vector's dtype is not set; use DTYPE_FLOAT32", "queries")
    if len(message.data) % np.dtype(dtype).itemsize:
        raise InvalidArgumentError(
            f"query '{name}': {len(message.data)} bytes are no whole number of {np.dtype(dtype).name} elements", "queries"
        )
    with np.errstate(over="ignore"):
        return np.frombuffer(message.data, dtype).astype(np.float32)


def neurons(messages: Iterable[pb.Neuron]) -> tuple[tuple[int, int], ...]:
    """Neurons as (layer, unit)."""
    return tuple((neuron.layer, neuron.unit) for neuron in messages)


def where(message: Any) -> Condition | None:
    """The filter of a request, if it has one."""
    return condition(message.where) if message.HasField("where") else None


def label(message: Any) -> LabelSource | None:
    """Whose loss a request asks for.

    Raises:
        InvalidArgumentError: a value that this server does not know.
    """
    if message.label not in LABELS:
        raise InvalidArgumentError(f"label: unknown value {message.label}; use LABEL_SOURCE_GOLD or _PREDICTED", "label")
    return LABELS[message.label]


def optional(message: Any, field: str, default: Any) -> Any:
    """An optional field, or the default that the proto states."""
    return getattr(message, field) if message.HasField(field) else default


def scoring(message: Any) -> Scoring:
    """The IA method of a request."""
    given = {name: optional(message, name, None) for name in ("damping", "lissa_scale", "lissa_depth", "seed", "exact")}
    return Scoring(message.method or "grad-dot", message.curvature, approximate=message.approximate, **given)


def instances_request(message: pb.AttributeInstancesRequest, live: int) -> InstancesRequest:
    """IA; `live` caps the default k of a small index."""
    return InstancesRequest(
        queries(message.queries),
        scoring(message),
        optional(message, "k", min(DEFAULT_K, live)),
        where(message),
        label(message),
        tuple(message.fields),
        message.ascending,
    )


def neurons_request(message: pb.AttributeNeuronsRequest) -> NeuronsRequest:
    """NA."""
    return NeuronsRequest(queries(message.queries), optional(message, "r", DEFAULT_R_NA), message.method)


def na_instances_request(message: pb.FindInstancesByNeuronsRequest, live: int) -> NaInstancesRequest:
    """NA-Instances."""
    return NaInstancesRequest(
        queries(message.queries),
        optional(message, "r", DEFAULT_R_DCNS),
        optional(message, "k", min(DEFAULT_K, live)),
        message.similarity or "dcns",
        where(message),
        tuple(message.fields),
    )


def ia_neurons_request(message: pb.FindNeuronsByInstancesRequest, live: int) -> IaNeuronsRequest:
    """IA-Neurons."""
    return IaNeuronsRequest(
        queries(message.queries),
        scoring(message),
        optional(message, "instances", min(DEFAULT_K, live)),
        optional(message, "r", DEFAULT_R_IA),
        message.aggregate or "top-neuron",
        where(message),
        label(message),
    )


def predict_request(message: pb.PredictRequest) -> PredictRequest:
    """Predict."""
    return PredictRequest(queries(message.queries), tuple(intervention(each) for each in message.interventions))


def intervention(message: pb.Intervention) -> Intervention:
    """An intervention.

    Raises:
        InvalidArgumentError: its mode or its choice is not set.
    """
    choice = message.WhichOneof("choice")
    if message.mode not in MODES or choice is None:
        raise InvalidArgumentError(
            f"interventions: '{message.name}' needs a mode (suppress or keep) and neurons or top", "interventions"
        )
    if choice == "neurons":
        return Intervention(MODES[message.mode], neurons(message.neurons.neurons), name=message.name)
    return Intervention(MODES[message.mode], None, message.top.method or "na", message.top.r, message.name)


def signature_request(message: pb.ComputeSignatureRequest) -> SignatureRequest:
    """ComputeSignature."""
    return SignatureRequest(queries(message.queries), label(message))


def list_request(message: pb.ListInstancesRequest) -> ListRequest:
    """ListInstances."""
    return ListRequest(
        where(message), message.order_by or "row", message.page_size or DEFAULT_PAGE, message.page_token, tuple(message.fields)
    )
