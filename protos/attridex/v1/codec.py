"""Messages to and from protobuf by one rule: a plain form has the fields of its message, by name.

A scalar is itself, a list a tuple, a message its own plain form; what is more than that stands in `FORMS`.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any, Generic, NamedTuple, TypeVar, cast

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from attridex.v1 import answers
from attridex.v1 import attribution_pb2 as pb
from attridex.v1 import wire_values as values
from attridex.v1.requests import Scoring
from attridex.v1.wire_interventions import intervention_from_wire, intervention_to_wire

Order = Sequence[str]
"""Columns as they were asked for: they come back in that order."""
Plain = TypeVar("Plain")
BITS = {FieldDescriptor.TYPE_UINT32: 32, FieldDescriptor.TYPE_UINT64: 64}


class Form(NamedTuple):
    """How a field of a message is written and read."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any, Order], Any]


class Part(NamedTuple):
    """A field: its name in the plain form and in the message, how it is written, and how it is read of a message."""

    name: str
    field: str
    encode: Callable[[Any], Any]
    read: Callable[[Any, Order], Any]


class Codec(Generic[Plain]):
    """Maps a plain form and its message."""

    def __init__(self, kind: type[Plain], message: type[Message], **names: str) -> None:
        """`names` gives the message's name of a field that has another there."""
        self._kind: Any = kind
        self._message = message
        known: Any = message.DESCRIPTOR.fields_by_name
        own = fields(cast("Any", kind))
        self._parts = [part_of(each, known[name]) for each in own if (name := names.get(each.name, each.name)) in known]
        # A request's IA method has no message of its own: its fields are the request's.
        self._scored = any(each.name == "scoring" for each in own)

    def encode(self, value: Plain) -> Any:
        """The message of a plain form."""
        return self._message(**self.arguments(value))

    def arguments(self, value: Any) -> dict[str, Any]:
        """The fields that are given, by the message's names."""
        given = ((part, getattr(value, part.name)) for part in self._parts)
        found = {part.field: part.encode(content) for part, content in given if content is not None}
        return found | SCORING.arguments(value.scoring) if self._scored else found

    def decode(self, message: Any, order: Order = ()) -> Plain:
        """The plain form of a message."""
        found = {part.name: part.read(message, order) for part in self._parts}
        scored = {"scoring": SCORING.decode(message)} if self._scored else {}
        made: Plain = self._kind(**found, **scored)
        return made


def part_of(field: "Field[Any]", descriptor: FieldDescriptor) -> Part:
    """A field of a plain form; what a message leaves out is the plain form's default."""
    form, name = form_of(descriptor), descriptor.name
    default = None if field.default is MISSING else field.default
    filled = isinstance(default, str | int) and not isinstance(default, bool)

    def optional(message: Any, order: Order) -> Any:
        return form.decode(getattr(message, name), order) if message.HasField(name) else default

    def read(message: Any, order: Order) -> Any:
        found = form.decode(getattr(message, name), order)
        return default if filled and not found else found

    return Part(field.name, name, form.encode, optional if descriptor.has_presence else read)


def form_of(descriptor: FieldDescriptor) -> Form:
    """How a field is written and read."""
    kind: Any = descriptor.message_type or descriptor.enum_type
    if descriptor.full_name in FORMS:
        return FORMS[descriptor.full_name]
    if kind is None:
        return scalar_form(descriptor)
    if not descriptor.is_repeated:
        return FORMS[kind.full_name]
    if kind.GetOptions().map_entry:
        return plain(dict, dict)
    return FORMS.get(f"{kind.full_name}*") or listed(FORMS[kind.full_name])


def scalar_form(descriptor: FieldDescriptor) -> Form:
    """A text, number or truth as it is, or a list of them."""
    if descriptor.is_repeated:
        return plain(tuple, tuple)
    if bits := BITS.get(descriptor.type):
        return plain(lambda value: values.count_to_wire(descriptor.name, value, bits), lambda found: found)
    return plain(lambda value: value, lambda found: found)


def plain(encode: Callable[[Any], Any], decode: Callable[[Any], Any]) -> Form:
    """A form whose columns have no order."""
    return Form(encode, lambda found, _order: decode(found))


def listed(form: Form) -> Form:
    """Several of a kind."""

    def decode(found: Any, order: Order) -> Any:
        return tuple(form.decode(each, order) for each in found)

    return Form(lambda several: list(map(form.encode, several)), decode)


def timings_to_wire(timings: answers.Timings) -> pb.Timings:
    """Seconds."""
    return pb.Timings(queue_seconds=timings.queue, encode_seconds=timings.encode, search_seconds=timings.search)


def timings_from_wire(message: pb.Timings) -> answers.Timings:
    """Seconds."""
    return answers.Timings(message.queue_seconds, message.encode_seconds, message.search_seconds)


FORMS: dict[str, Form] = {
    "attridex.v1.LabelSource": plain(values.label_to_wire, values.label_from_wire),
    "attridex.v1.InterventionMode": plain(values.MODE_CODES.__getitem__, values.MODES.__getitem__),
    "attridex.v1.Vector": plain(values.vector_to_wire, values.vector_from_wire),
    "google.protobuf.Struct": Form(values.columns_to_wire, values.columns_from_wire),
    "attridex.v1.Neuron*": plain(values.neurons_to_wire, values.neurons_from_wire),
    "attridex.v1.Query*": plain(values.queries_to_wire, values.queries_from_wire),
    "attridex.v1.Filter": plain(values.filter_to_wire, values.filter_from_wire),
    "attridex.v1.Intervention": plain(intervention_to_wire, intervention_from_wire),
    "attridex.v1.Timings": plain(timings_to_wire, timings_from_wire),
    "attridex.v1.LabelProbability*": plain(values.probabilities_to_wire, values.probabilities_from_wire),
    "attridex.v1.Column*": plain(values.types_to_wire, values.types_from_wire),
    "attridex.v1.IndexInfo.manifest": plain(json.dumps, lambda text: json.loads(text or "{}")),
}
"""What is more than fields of the same names, by the full name of a message, an enumeration or a field; "*" is a list of it."""

SCORING = Codec(Scoring, pb.AttributeInstancesRequest)
for _kind, _message in (
    (answers.NeuronScore, pb.NeuronScore),
    (answers.Prediction, pb.Prediction),
    (answers.Info, pb.AnswerInfo),
    (answers.InstanceHit, pb.InstanceHit),
    (answers.InstancesResult, pb.InstancesResult),
    (answers.NeuronsResult, pb.NeuronsResult),
    (answers.InterventionResult, pb.InterventionResult),
    (answers.PredictResult, pb.PredictResult),
    (answers.Signature, pb.Signature),
    (answers.Instance, pb.Instance),
    (answers.Setting, pb.Setting),
    (answers.Method, pb.Method),
    (answers.IndexInfo, pb.IndexInfo),
):  # what holds others comes after them
    _codec = Codec(_kind, _message)
    FORMS[_message.DESCRIPTOR.full_name] = Form(_codec.encode, _codec.decode)
