"""The unary calls of AttributionService as a table: what is sent for each request, and what its answer is read as."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from attridex.v1 import requests, wire_answers, wire_requests


@dataclass(frozen=True)
class Rpc:
    """One call.

    Attributes:
        name: of the method on the wire.
        encode: request to message.
        decode: message to request.
        encode_answer: answer to message.
        decode_answer: message to answer, with the columns in the order that they were asked for.
        field: of the call in a stream's messages; empty where a stream does not carry it.
    """

    name: str
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]
    encode_answer: Callable[[Any], Any]
    decode_answer: Callable[[Any, Any], Any]
    field: str = ""


RPCS: Mapping[type[Any], Rpc] = {
    requests.AttributeInstancesRequest: Rpc(
        "AttributeInstances",
        wire_requests.attribute_instances_to_wire,
        wire_requests.attribute_instances_from_wire,
        wire_answers.attributed_instances_to_wire,
        wire_answers.instances_answer_from_wire,
        "attribute_instances",
    ),
    requests.AttributeNeuronsRequest: Rpc(
        "AttributeNeurons",
        wire_requests.attribute_neurons_to_wire,
        wire_requests.attribute_neurons_from_wire,
        wire_answers.attributed_neurons_to_wire,
        wire_answers.neurons_answer_from_wire,
        "attribute_neurons",
    ),
    requests.FindInstancesByNeuronsRequest: Rpc(
        "FindInstancesByNeurons",
        wire_requests.find_instances_to_wire,
        wire_requests.find_instances_from_wire,
        wire_answers.found_instances_to_wire,
        wire_answers.instances_answer_from_wire,
        "find_instances_by_neurons",
    ),
    requests.FindNeuronsByInstancesRequest: Rpc(
        "FindNeuronsByInstances",
        wire_requests.find_neurons_to_wire,
        wire_requests.find_neurons_from_wire,
        wire_answers.found_neurons_to_wire,
        wire_answers.neurons_answer_from_wire,
        "find_neurons_by_instances",
    ),
    requests.PredictRequest: Rpc(
        "Predict",
        wire_requests.predict_to_wire,
        wire_requests.predict_from_wire,
        wire_answers.predict_answer_to_wire,
        wire_answers.predict_answer_from_wire,
        "predict",
    ),
    requests.ComputeSignatureRequest: Rpc(
        "ComputeSignature",
        wire_requests.compute_signature_to_wire,
        wire_requests.compute_signature_from_wire,
        wire_answers.signature_answer_to_wire,
        wire_answers.signature_answer_from_wire,
    ),
    requests.GetInstancesRequest: Rpc(
        "GetInstances",
        wire_requests.get_instances_to_wire,
        wire_requests.get_instances_from_wire,
        wire_answers.instances_to_wire,
        wire_answers.instances_from_wire,
    ),
    requests.ListInstancesRequest: Rpc(
        "ListInstances",
        wire_requests.list_instances_to_wire,
        wire_requests.list_instances_from_wire,
        wire_answers.page_to_wire,
        wire_answers.page_from_wire,
    ),
}
STREAMED: Mapping[str, Rpc] = {rpc.field: rpc for rpc in RPCS.values() if rpc.field}
"""Calls that a stream carries, by their field there."""
