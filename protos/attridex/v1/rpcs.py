"""Calls: the unary ones of AttributionService as a table (what is sent, what the answer is read as), and what names one."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from attridex.v1 import answers, rankings, requests
from attridex.v1 import attribution_pb2 as pb
from attridex.v1.codec import Codec

REQUEST_ID = "x-request-id"
"""The metadata that names a call, both ways."""
READABLE = re.compile(r"[\x21-\x7e]{1,128}")
FIELDS = {field.message_type.name: field.name for field in pb.AttributeStreamRequest.DESCRIPTOR.fields if field.message_type}
"""Where a stream's message holds a request, by the request's name."""


def is_request_id(name: str) -> bool:
    """Whether a name can be a call's: 1 to 128 printable ASCII characters without spaces."""
    return READABLE.fullmatch(name) is not None


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
    field: str


def call(request: type[Any], answer: type[Any], **names: str) -> Rpc:
    """A call, whose messages have the name of its request; `names` gives the answer's fields that have another there."""
    name = request.__name__.removesuffix("Request")
    sent, given = Codec(request, getattr(pb, f"{name}Request")), Codec(answer, getattr(pb, f"{name}Response"), **names)
    return Rpc(name, sent, given, FIELDS.get(request.__name__, ""))


RPCS: Mapping[type[Any], Rpc] = {
    requests.AttributeInstancesRequest: call(requests.AttributeInstancesRequest, answers.InstancesAnswer),
    requests.AttributeNeuronsRequest: call(requests.AttributeNeuronsRequest, answers.NeuronsAnswer),
    requests.FindInstancesByNeuronsRequest: call(requests.FindInstancesByNeuronsRequest, answers.InstancesAnswer),
    requests.FindNeuronsByInstancesRequest: call(requests.FindNeuronsByInstancesRequest, answers.NeuronsAnswer),
    requests.PredictRequest: call(requests.PredictRequest, answers.PredictAnswer),
    requests.ComputeSignatureRequest: call(requests.ComputeSignatureRequest, answers.SignatureAnswer, results="signatures"),
    requests.GetInstancesRequest: call(requests.GetInstancesRequest, answers.Instances),
    requests.ListInstancesRequest: call(requests.ListInstancesRequest, answers.Page),
}
STREAMED: Mapping[str, Rpc] = {rpc.field: rpc for rpc in RPCS.values() if rpc.field}
"""Calls that a stream carries, by their field there."""
RANK = call(requests.RankInstancesRequest, rankings.RankBlock, values="scores")
"""The call whose answer comes in blocks."""
INDEX = Codec(answers.IndexInfo, pb.IndexInfo)
"""What ListIndexes and GetIndex tell of an index."""
