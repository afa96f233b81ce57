"""Every message becomes its plain form and the same message again: no field is forgotten, in either direction."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from attridex.v1 import answers, requests, wire_interventions
from attridex.v1 import attribution_pb2 as pb
from attridex.v1.codec import Codec
from attridex.v1.errors import UsageError
from attridex.v1.rpcs import INDEX, RANK, RPCS, STREAMED, Rpc

VARIANTS = 40
LEAVES = ("comparison", "in", "is_null", "like")
SERVICE = pb.DESCRIPTOR.services_by_name["AttributionService"]
INTEGERS = (FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_INT64)


def filled(descriptor: Descriptor, rng: random.Random, depth: int = 0) -> Any:
    """A message with every field set, one of each oneof."""
    message: Any = message_factory.GetMessageClass(descriptor)()
    match descriptor.name:
        case "Struct":
            message.update({"a": rng.randrange(9), "b": "x"})
            return message
        case "Vector":
            return pb.Vector(data=rng.randbytes(4) + b"\0\0\0\0", dtype=pb.DTYPE_FLOAT32)
        case "TopNeurons":
            return pb.TopNeurons(method="ia:lissa/fisher", r=3, settings={"damping": "0.5", "seed": "7", "own": "x"})
    chosen = [rng.choice(alternatives(oneof.fields, depth)) for oneof in descriptor.oneofs]
    for field in descriptor.fields:
        if field.containing_oneof is None or field in chosen:
            put(message, field, rng, depth)
    if descriptor.name == "IndexInfo":
        message.manifest = '{"format": 1}'
    as_json(message, descriptor.name)
    return message


def as_json(message: Any, name: str) -> None:
    """Fields that are read, and so written, in one way only: JSON beside what it stands for, and whole numbers as digits."""
    if name == "Query":
        message.record_json = '{"a": 3.0}' if message.HasField("record") else ""
        if message.record_json:
            message.record.Clear()
            message.record.update({"a": 3})
    elif name in ("InstanceHit", "Instance"):
        message.fields.update({"big": 2**53 + 1})
        columns = {**dict(message.fields), "a": int(message.fields["a"]), "big": 2**53 + 1}
        message.fields_json = json.dumps(columns, sort_keys=True)
    elif name == "Literal" and message.HasField("decimal_value"):
        message.decimal_value = str(10**20)


def alternatives(fields: Any, depth: int) -> list[FieldDescriptor]:
    """What a oneof may hold; no deeper filters below some level."""
    leaves = [field for field in fields if field.name in LEAVES]
    return leaves if leaves and depth > 2 else list(fields)


def put(message: Any, field: FieldDescriptor, rng: random.Random, depth: int) -> None:
    """Set a field."""
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        getattr(message, field.name).update({"own": "x", "other": "y"})
    elif kind is not None and field.is_repeated:
        getattr(message, field.name).extend(filled(kind, rng, depth + 1) for _ in range(2))
    elif kind is not None:
        getattr(message, field.name).CopyFrom(filled(kind, rng, depth + 1))
    elif field.is_repeated:
        getattr(message, field.name).extend([value(field, rng), value(field, rng)])
    else:
        setattr(message, field.name, value(field, rng))


def value(field: FieldDescriptor, rng: random.Random) -> Any:
    """A value of a plain field that is not its default."""
    if field.enum_type is not None:
        return rng.choice([each.number for each in field.enum_type.values if each.number])
    if field.type in INTEGERS:
        return rng.randrange(1, 1000)
    return {FieldDescriptor.TYPE_BOOL: True, FieldDescriptor.TYPE_DOUBLE: rng.random()}.get(field.type, f"s{rng.getrandbits(40)}")


def seen(message: Any) -> Iterator[str]:
    """Fields that are set, anywhere in a message."""
    for field, content in message.ListFields():
        yield field.full_name
        for part in content if field.is_repeated else [content]:
            if hasattr(part, "ListFields") and not part.DESCRIPTOR.full_name.startswith("google."):
                yield from seen(part)


def fields_of(descriptor: Descriptor, known: set[str]) -> set[str]:
    """Full names of all fields that can be set in a message."""
    if descriptor.full_name not in known and not descriptor.full_name.startswith("google."):
        known.add(descriptor.full_name)
        for field in descriptor.fields:
            if field.message_type is not None and not field.message_type.GetOptions().map_entry:
                fields_of(field.message_type, known)
            known.add(field.full_name)
    return {name for name in known if name.count(".") > 2}


def both_ways(descriptor: Descriptor, there: Callable[[Any], Any], back: Callable[[Any], Any]) -> None:
    """The law, for messages that between them have every field set."""
    found: set[str] = set()
    for seed in range(VARIANTS):
        message = filled(descriptor, random.Random(seed))
        found.update(seen(message))
        assert back(there(message)) == message
    assert found == fields_of(descriptor, set())


@pytest.mark.parametrize("rpc", RPCS.values(), ids=lambda rpc: rpc.name)
def test_every_field_of_a_request_survives(rpc: Rpc) -> None:
    both_ways(SERVICE.methods_by_name[rpc.name].input_type, rpc.request.decode, rpc.request.encode)


@pytest.mark.parametrize("rpc", RPCS.values(), ids=lambda rpc: rpc.name)
def test_every_field_of_an_answer_survives(rpc: Rpc) -> None:
    both_ways(SERVICE.methods_by_name[rpc.name].output_type, lambda message: rpc.answer.decode(message, ()), rpc.answer.encode)


def test_every_field_of_an_index_survives() -> None:
    both_ways(pb.IndexInfo.DESCRIPTOR, INDEX.decode, INDEX.encode)


def test_every_unary_call_has_a_row_and_a_stream_s_fields_have_the_same_names() -> None:
    described = {"ListIndexes", "GetIndex"}
    unary = {m.name for m in SERVICE.methods if not (m.client_streaming or m.server_streaming)}
    assert {rpc.name for rpc in RPCS.values()} == unary - described
    assert [m.name for m in SERVICE.methods if m.server_streaming and not m.client_streaming] == [RANK.name]
    assert set(STREAMED) == {field.name for field in pb.AttributeStreamRequest.DESCRIPTOR.oneofs[0].fields}
    answered = {field.name for field in pb.AttributeStreamResponse.DESCRIPTOR.oneofs[0].fields}
    assert answered == {*STREAMED, "error"}


# ---------------------------------------------------------------- defaults

INFO = Codec(answers.Info, pb.AnswerInfo)
QUERIES = [pb.Query(id="q", instance_id="t1")]
ASKED = (requests.Query.instance("t1", "q"),)


@pytest.mark.parametrize(
    ("message", "request_"),
    [
        (pb.AttributeInstancesRequest(queries=QUERIES), requests.AttributeInstancesRequest(ASKED)),
        (pb.AttributeNeuronsRequest(queries=QUERIES), requests.AttributeNeuronsRequest(ASKED, r=20)),
        (pb.AttributeNeuronsRequest(queries=QUERIES, r=0), requests.AttributeNeuronsRequest(ASKED, r=0)),
        (pb.FindInstancesByNeuronsRequest(queries=QUERIES), requests.FindInstancesByNeuronsRequest(ASKED, 5, None, "dcns")),
        (pb.FindNeuronsByInstancesRequest(queries=QUERIES), requests.FindNeuronsByInstancesRequest(ASKED)),
        (pb.PredictRequest(queries=QUERIES), requests.PredictRequest(ASKED)),
        (pb.ComputeSignatureRequest(queries=QUERIES), requests.ComputeSignatureRequest(ASKED)),
        (pb.GetInstancesRequest(ids=["t1"]), requests.GetInstancesRequest(("t1",))),
        (pb.ListInstancesRequest(), requests.ListInstancesRequest(None, "row", 100)),
    ],
    ids=lambda each: type(each).__name__,
)
def test_an_empty_message_is_a_request_of_defaults(message: Any, request_: Any) -> None:
    assert RPCS[type(request_)].request.decode(message) == request_


def test_zero_is_given_and_nothing_is_not() -> None:
    given = pb.AttributeInstancesRequest(k=0, damping=0.0, seed=0, exact=False)
    found = RPCS[requests.AttributeInstancesRequest].request.decode(given)
    assert (found.k, found.scoring.given, found.scoring.exact) == (0, {"damping": 0.0, "seed": 0}, False)


@pytest.mark.parametrize(
    "made",
    [
        {},
        {"mode": pb.INTERVENTION_MODE_KEEP},
        {"mode": 9, "neurons": pb.NeuronSet()},
        {"neurons": pb.NeuronSet(neurons=[pb.Neuron(layer=1, unit=2)])},
    ],
)
def test_half_an_intervention_is_refused(made: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="needs a mode"):
        RPCS[requests.PredictRequest].request.decode(pb.PredictRequest(interventions=[pb.Intervention(**made)]))


def test_an_intervention_takes_its_method_s_settings_along_as_text() -> None:
    scoring = requests.Scoring("lissa", "fisher", damping=0.5, lissa_depth=3, settings={"own": "x"})
    edit = requests.Intervention("keep", method=scoring, r=2, name="n")
    message = wire_interventions.intervention_to_wire(edit)
    assert dict(message.top.settings) == {"damping": "0.5", "lissa_depth": "3", "own": "x"}
    assert wire_interventions.intervention_from_wire(message) == edit
    message.top.settings["damping"] = "much"
    with pytest.raises(UsageError, match="damping = 'much': a number is needed"):
        wire_interventions.intervention_from_wire(message)


def test_what_an_answer_does_not_have_is_absent_and_not_zero() -> None:
    bare = INFO.encode(answers.Info("i", "1", "m", "", ""))
    full = INFO.encode(answers.Info("i", "1", "m", "", "", recall=0.0, damping=0.0, label="gold"))
    assert [bare.HasField("recall"), bare.HasField("damping"), bare.label] == [False, False, pb.LABEL_SOURCE_UNSPECIFIED]
    assert [full.HasField("recall"), full.HasField("damping"), full.label] == [True, True, pb.LABEL_SOURCE_GOLD]


def test_what_a_message_leaves_out_is_a_default_or_nothing_or_empty() -> None:
    hit = RPCS[requests.AttributeInstancesRequest].answer.decode(
        pb.AttributeInstancesResponse(results=[pb.InstancesResult(hits=[pb.InstanceHit()])])
    )
    assert hit.info == answers.Info("", "", "", "", "", exact=False)
    assert hit.results == (answers.InstancesResult("", None, (answers.InstanceHit(0, "", 0, 0.0),)),)
    plain = RPCS[requests.PredictRequest].answer.decode(pb.PredictResponse(results=[pb.PredictResult()]))
    assert plain.results == (answers.PredictResult("", answers.Prediction("", "", 0.0, {}), ()),)


def test_a_request_s_unknown_code_is_refused_and_an_answer_s_is_nothing() -> None:
    unknown: Any = 9
    for message in (pb.AttributeInstancesRequest(label=unknown), pb.FindNeuronsByInstancesRequest(label=unknown)):
        with pytest.raises(UsageError, match="label: unknown value 9"):
            RPCS[getattr(requests, type(message).__name__)].request.decode(message)
    assert INFO.decode(pb.AnswerInfo(label=unknown)).label is None
    edited = pb.PredictResult(interventions=[pb.InterventionResult(mode=unknown)])
    assert (
        RPCS[requests.PredictRequest].answer.decode(pb.PredictResponse(results=[edited])).results[0].interventions[0].mode == ""
    )


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (requests.AttributeInstancesRequest((), k=-1), "k = -1: must not be negative"),
        (requests.FindNeuronsByInstancesRequest((), instances=1 << 32), "instances = 4294967296: too large"),
        (requests.AttributeInstancesRequest((), requests.Scoring(seed=1 << 64)), "seed = 18446744073709551616: too large"),
        (requests.ListInstancesRequest(page_size=-5), "page_size = -5: must not be negative"),
    ],
)
def test_a_count_is_refused_before_it_is_sent(request_: Any, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        RPCS[type(request_)].request.encode(request_)
    assert (str(raised.value), raised.value.field) == (said, said.partition(" ")[0])


def test_an_intervention_s_curvature_is_read_from_the_map_too_and_never_twice() -> None:
    top = pb.TopNeurons(method="ia:influence", r=3, settings={"curvature": "fisher"})
    message = pb.Intervention(mode=pb.INTERVENTION_MODE_KEEP, top=top)
    found = wire_interventions.intervention_from_wire(message).scoring
    assert found == requests.Scoring("influence", "fisher")
    message.top.method = "ia:influence/hessian"
    with pytest.raises(UsageError, match="curvature is 'hessian' and 'fisher'"):
        wire_interventions.intervention_from_wire(message)
