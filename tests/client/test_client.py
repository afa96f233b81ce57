"""What the client sends: the messages of the contract, field by field."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from google.protobuf import struct_pb2

from attridex.client import Client, Intervention, Query, Scoring, errors
from attridex.v1 import attribution_pb2 as pb
from attridex.v1.answers import NeuronsAnswer
from attridex.v1.requests import AttributeNeuronsRequest, GetInstancesRequest, ListInstancesRequest
from tests.client.stubs import Stub, client_of

RECORD = {"id": "q", "premise": "the dog ran", "number": 3, "none": None, "list": [1, "a"]}
FIELDS = struct_pb2.Struct()
FIELDS.update(RECORD)
QUERIES = [RECORD, {"premise": "a lawyer"}, Query.instance("t3"), Query.vector([1.5, 2]), Query.neurons([(0, 1)], "n")]
LAWYER = struct_pb2.Struct()
LAWYER.update({"premise": "a lawyer"})
MESSAGES = [
    pb.Query(id="q", record=FIELDS),
    pb.Query(id="query-1", record=LAWYER),
    pb.Query(id="t3", instance_id="t3"),
    pb.Query(id="query-3", vector=pb.Vector(data=np.array([1.5, 2], "<f4").tobytes(), dtype=pb.DTYPE_FLOAT32)),
    pb.Query(id="n", neurons=pb.NeuronSet(neurons=[pb.Neuron(layer=0, unit=1)])),
]
PHONE = pb.Filter(comparison=pb.Comparison(column="genre", operator=pb.OPERATOR_EQUAL, value=pb.Literal(string_value="phone")))
KEEP, SUPPRESS = pb.INTERVENTION_MODE_KEEP, pb.INTERVENTION_MODE_SUPPRESS
CALLS: dict[str, tuple[Callable[[Client], Any], Any]] = {
    "ia": (
        lambda c: c.attribute_instances(QUERIES),
        pb.AttributeInstancesRequest(queries=MESSAGES, method="grad-dot"),
    ),
    "ia with everything": (
        lambda c: c.attribute_instances(
            [RECORD], method="influence", curvature="hessian", damping=0.0, lissa_scale=1e3, lissa_depth=5, seed=2**63,
            k=3, where="genre = 'phone'", label="gold", fields=["b", "a"], ascending=True,
        ),
        pb.AttributeInstancesRequest(
            queries=MESSAGES[:1], method="influence", curvature="hessian", damping=0.0, lissa_scale=1e3, lissa_depth=5,
            seed=2**63, k=3, where=PHONE, label=pb.LABEL_SOURCE_GOLD, fields=["b", "a"], ascending=True,
        ),
    ),
    "ia by any structure": (
        lambda c: c.attribute_instances([RECORD], approximate="auto"),
        pb.AttributeInstancesRequest(queries=MESSAGES[:1], method="grad-dot", exact=False),
    ),
    "ia by a structure": (
        lambda c: c.attribute_instances([RECORD], approximate="ivf"),
        pb.AttributeInstancesRequest(queries=MESSAGES[:1], method="grad-dot", exact=False, approximate="ivf"),
    ),
    "ia by a method of others": (
        lambda c: c.attribute_instances([RECORD], method="mine", settings={"a": 0.1, "b": 2, "c": "x"}),
        pb.AttributeInstancesRequest(queries=MESSAGES[:1], method="mine", settings={"a": "0.1", "b": "2", "c": "x"}),
    ),
    "ia by a scoring": (
        lambda c: c.attribute_instances([RECORD], scoring=Scoring("lissa", "fisher", lissa_depth=7), k=2),
        pb.AttributeInstancesRequest(queries=MESSAGES[:1], method="lissa", curvature="fisher", lissa_depth=7, k=2),
    ),
    "na": (lambda c: c.attribute_neurons(QUERIES), pb.AttributeNeuronsRequest(queries=MESSAGES, r=20)),
    "na by a method": (
        lambda c: c.attribute_neurons([RECORD], r=0, method="activation-gradient"),
        pb.AttributeNeuronsRequest(queries=MESSAGES[:1], r=0, method="activation-gradient"),
    ),
    "na-instances": (
        lambda c: c.find_instances_by_neurons(QUERIES),
        pb.FindInstancesByNeuronsRequest(queries=MESSAGES, r=5, similarity="dcns"),
    ),
    "na-instances with everything": (
        lambda c: c.find_instances_by_neurons(
            [RECORD], r=7, k=9, similarity="activation", where="genre = 'phone'", fields=("x",)
        ),
        pb.FindInstancesByNeuronsRequest(queries=MESSAGES[:1], r=7, k=9, similarity="activation", where=PHONE, fields=["x"]),
    ),
    "ia-neurons": (
        lambda c: c.find_neurons_by_instances(QUERIES),
        pb.FindNeuronsByInstancesRequest(queries=MESSAGES, method="grad-dot", r=10, aggregate="top-neuron"),
    ),
    "ia-neurons with everything": (
        lambda c: c.find_neurons_by_instances(
            [RECORD], method="lissa", curvature="fisher", damping=0.5, lissa_scale=2.0, lissa_depth=9, seed=1, approximate="sq8",
            instances=4, r=0, aggregate="summed", where="genre = 'phone'", label="predicted",
        ),
        pb.FindNeuronsByInstancesRequest(
            queries=MESSAGES[:1], method="lissa", curvature="fisher", damping=0.5, lissa_scale=2.0, lissa_depth=9, seed=1,
            exact=False, approximate="sq8", instances=4, r=0, aggregate="summed", where=PHONE, label=pb.LABEL_SOURCE_PREDICTED,
        ),
    ),
    "predict": (
        lambda c: c.predict(
            [RECORD],
            interventions=[
                Intervention("suppress", r=5),
                Intervention("keep", [(0, 1)]),
                Intervention("keep", method="ia:influence/fisher", r=3),
                Intervention.parse("suppress", "3-17,5-2"),
            ],
        ),
        pb.PredictRequest(
            queries=MESSAGES[:1],
            interventions=[
                pb.Intervention(mode=SUPPRESS, top=pb.TopNeurons(method="na", r=5)),
                pb.Intervention(mode=KEEP, neurons=pb.NeuronSet(neurons=[pb.Neuron(unit=1)])),
                pb.Intervention(mode=KEEP, top=pb.TopNeurons(method="ia:influence/fisher", r=3)),
                pb.Intervention(
                    name="suppress 3-17,5-2",
                    mode=SUPPRESS,
                    neurons=pb.NeuronSet(neurons=[pb.Neuron(layer=3, unit=17), pb.Neuron(layer=5, unit=2)]),
                ),
            ],
        ),
    ),
    "signature": (
        lambda c: c.compute_signature([RECORD], label="gold"),
        pb.ComputeSignatureRequest(queries=MESSAGES[:1], label=pb.LABEL_SOURCE_GOLD),
    ),
    "get": (
        lambda c: c.get_instances(["t3", "t1"], fields=["a"], with_neurons=True, with_hidden=True),
        pb.GetInstancesRequest(ids=["t3", "t1"], fields=["a"], with_neurons=True, with_hidden=True),
    ),
    "page": (
        lambda c: c.list_page(where="genre = 'phone'", order_by="-loss", page_size=3, page_token="next", fields=["z"]),
        pb.ListInstancesRequest(where=PHONE, order_by="-loss", page_size=3, page_token="next", fields=["z"]),
    ),
    "list": (lambda c: list(c.list_instances()), pb.ListInstancesRequest(order_by="row", page_size=1000)),
    "index": (lambda c: c.get_index(), pb.GetIndexRequest()),
}  # fmt: skip


@pytest.mark.parametrize("index", ["", "mine"])
@pytest.mark.parametrize(("call", "expected"), CALLS.values(), ids=CALLS.keys())
def test_each_call_sends_these_bytes(call: Callable[[Client], Any], expected: Any, index: str) -> None:
    stub = Stub()
    call(client_of(stub, index))
    (sent,) = stub.sent
    message = type(expected)()
    message.CopyFrom(expected)
    message.index = index
    assert sent.SerializeToString(deterministic=True) == message.SerializeToString(deterministic=True), sent


def test_a_request_that_was_made_before_goes_to_its_own_index_or_to_the_client_s() -> None:
    stub = Stub()
    client = client_of(stub, "mine")
    for request in (AttributeNeuronsRequest((Query.instance("t3"),)), AttributeNeuronsRequest((), index="other")):
        assert isinstance(client.send(request), NeuronsAnswer)
    client.send(GetInstancesRequest(("t3",)))
    client.send(ListInstancesRequest())
    assert [message.index for message in stub.sent] == ["mine", "other", "mine", "mine"]
    assert stub.sent[0].queries == MESSAGES[2:3]


def test_a_stream_carries_numbered_requests_and_gives_answers_and_failures() -> None:
    response = pb.AttributeStreamResponse(attribute_neurons=pb.AttributeNeuronsResponse())
    stub = Stub(AttributeStream=response)
    request = AttributeNeuronsRequest((Query.instance("t3"),), 3)
    found = list(client_of(stub, "mine").stream([(7, request), (9, request)]))
    assert [number for number, _ in found] == [7, 9] == [message.sequence for message in stub.sent]
    assert all(isinstance(answer, NeuronsAnswer) for _, answer in found)
    expected = pb.AttributeNeuronsRequest(index="mine", queries=MESSAGES[2:3], r=3)
    assert [message.attribute_neurons for message in stub.sent] == [expected, expected]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda c: c.attribute_instances([RECORD], k=-1), "k = -1: must not be negative"),
        (lambda c: c.attribute_instances([RECORD], k=1 << 32), "k = 4294967296: too large"),
        (lambda c: c.attribute_instances([RECORD], method="random", seed=1 << 64), "seed = "),
        (lambda c: c.find_neurons_by_instances([RECORD], instances=-3), "instances = -3"),
        (lambda c: c.attribute_neurons([RECORD], r=-1), "r = -1"),
        (lambda c: c.attribute_neurons(RECORD), "a list is needed, this is a single one"),
        (lambda c: c.attribute_neurons([3]), "a query must be a record"),
        (lambda c: c.attribute_neurons([{"set": {1}}]), "a record holds what JSON cannot"),
        (lambda c: c.attribute_instances([RECORD], label="true"), "use 'gold' or 'predicted'"),
        (lambda c: c.attribute_instances([RECORD], fields="premise"), "fields: a list is needed"),
        (lambda c: c.attribute_instances([RECORD], where="loss >"), "filter 'loss >'"),
        (lambda c: c.attribute_instances([RECORD], scoring=Scoring("bm25"), seed=0), "scoring is given, and seed beside it"),
        (lambda c: c.find_neurons_by_instances([RECORD], scoring=Scoring(), method="grad-dot"), "and method beside it"),
        (lambda c: c.predict([RECORD], interventions=[Intervention("keep", [(0, -1)])]), "counted from 0"),
        (lambda c: c.predict([RECORD], interventions=[Intervention("drop")]), "use 'suppress' or 'keep'"),
    ],
)
def test_what_is_wrong_in_itself_is_said_before_anything_is_sent(call: Callable[[Client], Any], said: str) -> None:
    stub = Stub()
    with pytest.raises(errors.UsageError, match=said):
        call(client_of(stub))
    assert not stub.sent


def test_a_keyword_that_there_is_not_is_a_type_error() -> None:
    keywords: dict[str, Any] = {"metod": "bm25"}
    with pytest.raises(TypeError, match="'metod'"):
        client_of(Stub()).attribute_instances([RECORD], **keywords)
