"""The unary calls of AttributionService as a table: what is sent for each request, and what its answer is read as."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from google.protobuf.message import Message

from attridex.v1 import answers, requests
from attridex.v1 import attribution_pb2 as pb
from attridex.v1.codec import Codec


class Rpc(NamedTuple):
    """One call.

    Attributes:
        name: of the method on the wire.
        request: its request and the message of it.
        answer: its answer and the message of that.
        field: of the call in a stream's messages; empty where a stream does not carry it.
    """

    name: str
    request: Codec[Any]
    answer: Codec[Any]
    field: str = ""


def call(request: type[Any], answer: type[Any], response: type[Message], field: str = "", **names: str) -> Rpc:
    """A call whose request has the name of its message.

    Args:
        request: the request's plain form.
        answer: the answer's.
        response: the answer's message.
        field: of the call in a stream's messages.
        names: fields of the answer that have another name in its message.
    """
    message = getattr(pb, request.__name__)
    return Rpc(request.__name__.removesuffix("Request"), Codec(request, message), Codec(answer, response, **names), field)


RPCS: Mapping[type[Any], Rpc] = {
    requests.AttributeInstancesRequest: call(
        requests.AttributeInstancesRequest, answers.InstancesAnswer, pb.AttributeInstancesResponse, "attribute_instances"
    ),
    requests.AttributeNeuronsRequest: call(
        requests.AttributeNeuronsRequest, answers.NeuronsAnswer, pb.AttributeNeuronsResponse, "attribute_neurons"
    ),
    requests.FindInstancesByNeuronsRequest: call(
        requests.FindInstancesByNeuronsRequest, answers.InstancesAnswer, pb.FindInstancesByNeuronsResponse,
        "find_instances_by_neurons",
    ),
    requests.FindNeuronsByInstancesRequest: call(
        requests.FindNeuronsByInstancesRequest, answers.NeuronsAnswer, pb.FindNeuronsByInstancesResponse,
        "find_neurons_by_instances",
    ),
    requests.PredictRequest: call(requests.PredictRequest, answers.PredictAnswer, pb.PredictResponse, "predict"),
    requests.ComputeSignatureRequest: call(
        requests.ComputeSignatureRequest, answers.SignatureAnswer, pb.ComputeSignatureResponse, results="signatures"
    ),
    requests.GetInstancesRequest: call(requests.GetInstancesRequest, answers.Instances, pb.GetInstancesResponse),
    requests.ListInstancesRequest: call(requests.ListInstancesRequest, answers.Page, pb.ListInstancesResponse),
}  # fmt: skip
STREAMED: Mapping[str, Rpc] = {rpc.field: rpc for rpc in RPCS.values() if rpc.field}
"""Calls that a stream carries, by their field there."""
INDEX = Codec(answers.IndexInfo, pb.IndexInfo)
"""What ListIndexes and GetIndex tell of an index."""
