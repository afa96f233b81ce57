"""Messages to and from protobuf by one rule: a plain form has the fields of its message, by name.

A scalar is itself, a list a tuple, a message its own plain form; what is more than that stands in `FORMS`.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, fields, replace
from operator import attrgetter
from typing import Any, Generic, NamedTuple, TypeVar, cast, get_args

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from attridex.v1 import answers
from attridex.v1 import attribution_pb2 as pb
from attridex.v1 import wire_values as values
from attridex.v1.errors import UsageError
from attridex.v1.filters import And, Comparison, Filter, Membership, Not, NullTest, Or, TextMatch
from attridex.v1.limits import Limits
from attridex.v1.requests import Scoring
from attridex.v1.wire_interventions import intervention_from_wire, intervention_to_wire

Order = Sequence[str]
"""Columns as they were asked for: they come back in that order."""
Plain = TypeVar("Plain")
BITS = {FieldDescriptor.TYPE_UINT32: 32, FieldDescriptor.TYPE_UINT64: 64}


class Form(NamedTuple):
    """How a field of a message is written and read; as it is, where nothing is said."""

    encode: Callable[[Any], Any] | None = None
    decode: Callable[[Any, Order], Any] | None = None


Reader = Callable[[Any, Any, Order], Any]
"""What a plain form holds, of a field, its message, and the order of columns."""


class Part(NamedTuple):
    """A field of a plain form: the message's field, and how it is written and read where that is more than as it is."""

    field: str
    encode: Callable[[Any], Any] | None
    read: Reader | None


class Codec(Generic[Plain]):
    """Maps a plain form and its message."""

    def __init__(self, kind: type[Plain], message: type[Message], **names: str) -> None:
        """`names` gives the message's name of a field that has another there."""
        self.kind, self._message, self._renamed = kind, message, names.items()
        parts = [part_of(field, message, names.get(field.name, field.name)) for field in fields(cast("Any", kind))]
        self._encoders = [(part.field, part.encode) for part in parts if part.encode]
        self._readers = [(at, part.read) for at, part in enumerate(parts) if part.read]
        # One name more than is needed: of a single one, attrgetter makes no tuple.
        self._take = attrgetter(*(part.field for part in parts), parts[0].field)
        self.arguments: Callable[[Any], dict[str, Any]] = self._arguments if self._encoders or names else vars
        """The message's fields by name; None where one is not given."""

    def encode(self, value: Plain) -> Any:
        """The message of a plain form.

        Raises:
            UsageError: a count that the wire cannot carry, or a text that is none.
        """
        try:
            return self._made(value)
        except UnicodeEncodeError as error:
            half = f"\\u{ord(error.object[error.start]):04x}"
            raise UsageError(f"{error.object[:60]!a} holds half of a surrogate pair ({half}), which is no text") from None

    def _made(self, value: Plain) -> Any:
        arguments = self.arguments(value)
        try:
            return self._message(**arguments)
        except (TypeError, ValueError):
            for field in self._message.DESCRIPTOR.fields:
                if field.type in BITS:
                    values.count_to_wire(field.name, arguments.get(field.name), BITS[field.type])
            raise

    def _arguments(self, value: Any) -> dict[str, Any]:
        found = {**vars(value)}
        for name, field in self._renamed:
            found[field] = found.pop(name)
        for field, encode in self._encoders:
            content = found[field]
            if content is not None:
                found[field] = encode(content)
        return found | SCORING.arguments(found.pop("scoring")) if "scoring" in found else found

    def decode(self, message: Any, order: Order = ()) -> Plain:
        """The plain form of a message."""
        *found, _ = self._take(message)
        for at, read in self._readers:
            found[at] = read(found[at], message, order)
        return self.kind(*found)


class ColumnsCodec(Codec[Plain]):
    """Maps an instance, whose columns travel as JSON too where a Struct would change them."""

    def encode(self, value: Plain) -> Any:
        """The message of an instance."""
        message = super().encode(value)
        message.fields_json = values.columns_json(cast("Any", value).fields)
        return message

    def decode(self, message: Any, order: Order = ()) -> Plain:
        """The instance of a message."""
        found = super().decode(message, order)
        if not message.fields_json:
            return found
        return cast("Plain", replace(cast("Any", found), fields=values.columns_from_json(message.fields_json, order)))


def part_of(field: "Field[Any]", message: type[Message], name: str) -> Part:
    """A field, whose message calls it `name`."""
    if field.name == "scoring":  # a request's IA method has no message of its own: its fields are the request's
        return Part("method", None, lambda _found, message, _order: SCORING.decode(message))
    descriptor: Any = message.DESCRIPTOR.fields_by_name[name]
    form = form_of(descriptor)
    return Part(name, form.encode, reader(field, descriptor, form))


def form_of(descriptor: FieldDescriptor) -> Form:
    """How a field is written and read."""
    kind: Any = descriptor.message_type or descriptor.enum_type
    if descriptor.full_name in FORMS:
        return FORMS[descriptor.full_name]
    if kind is None:
        return plain(None, tuple) if descriptor.is_repeated else Form()
    if not descriptor.is_repeated:
        return FORMS[kind.full_name]
    if kind.GetOptions().map_entry:
        return plain(dict, dict)
    return FORMS.get(f"{kind.full_name}*") or listed(FORMS[kind.full_name])


def reader(field: "Field[Any]", descriptor: FieldDescriptor, form: Form) -> Reader | None:
    """Reads what a message has in a field, which may be nothing; None where it is taken as it is.

    What a message leaves out is the plain form's default, or None where that may be; else what an empty message says.
    """
    decode, name = form.decode or (lambda found, _order: found), descriptor.name
    default, factory = None if field.default is MISSING else field.default, cast("Any", field.default_factory)
    absent = (lambda: default) if factory is MISSING else factory
    if descriptor.has_presence and (absent() is not None or type(None) in get_args(field.type)):
        return lambda found, message, order: decode(found, order) if message.HasField(name) else absent()
    if default and isinstance(default, str | int) and not isinstance(default, bool):
        return lambda found, _message, order: decode(found, order) or default
    return (lambda found, _message, order: decode(found, order)) if form.decode else None


def plain(encode: Callable[[Any], Any] | None, decode: Callable[[Any], Any]) -> Form:
    """A form whose columns have no order."""
    return Form(encode, lambda found, _order: decode(found))


def listed(form: Form) -> Form:
    """Several of a kind."""
    encode, decode = cast("Any", form.encode), cast("Any", form.decode)
    return Form(lambda several: list(map(encode, several)), lambda found, order: tuple([decode(each, order) for each in found]))


def mapped(message: type[Message], key: str, value: str) -> Form:
    """Several of a kind that are a mapping in the plain form, in their order."""
    return plain(
        lambda found: [message(**{key: name, value: content}) for name, content in found.items()],
        lambda several: dict(map(attrgetter(key, value), several)),
    )


FORMS: dict[str, Form] = {
    "attridex.v1.LabelSource": plain(values.LABEL_CODES.__getitem__, values.label_from_wire),
    "attridex.v1.AnswerInfo.label": plain(values.LABEL_CODES.__getitem__, values.LABELS.get),
    "attridex.v1.InterventionMode": plain(values.MODE_CODES.__getitem__, lambda code: values.MODES.get(code, "")),
    "attridex.v1.Vector": plain(values.vector_to_wire, values.vector_from_wire),
    "attridex.v1.RankInstancesRequest.dtype": plain(values.PRECISION_CODES.__getitem__, values.precision_from_wire),
    "attridex.v1.RankInstancesResponse.rows": plain(list, values.rows_from_wire),
    "attridex.v1.RankInstancesResponse.scores": plain(values.array_to_wire, values.array_from_wire),
    "google.protobuf.Struct": Form(values.columns_to_wire, values.columns_from_wire),
    "attridex.v1.Neuron*": plain(values.neurons_to_wire, values.neurons_from_wire),
    "attridex.v1.Query*": plain(values.queries_to_wire, values.queries_from_wire),
    "attridex.v1.Filter": plain(lambda condition: filter_to_wire(condition), lambda found: filter_from_wire(found)),
    "attridex.v1.FilterList.filters": listed(plain(lambda each: filter_to_wire(each), lambda found: checked_filter(found))),
    "attridex.v1.Literal": plain(values.value_to_wire, values.value_from_wire),
    "attridex.v1.Operator": plain(values.operator_to_wire, values.operator_from_wire),
    "attridex.v1.Intervention": plain(intervention_to_wire, intervention_from_wire),
    "attridex.v1.LabelProbability*": mapped(pb.LabelProbability, "label", "probability"),
    "attridex.v1.Column*": mapped(pb.Column, "name", "type"),
    "attridex.v1.IndexInfo.manifest": plain(json.dumps, lambda text: json.loads(text or "{}")),
}
"""What is more than fields of the same names, by the full name of a message, an enumeration or a field; "*" is a list of it."""


def register(kind: type[Any], message: type[Message], **names: str) -> None:
    """Let other messages hold this one."""
    columns = "fields_json" in message.DESCRIPTOR.fields_by_name
    codec = (ColumnsCodec if columns else Codec)(kind, message, **names)
    FORMS[message.DESCRIPTOR.full_name] = Form(codec.encode, codec.decode)


SCORING = Codec(Scoring, pb.AttributeInstancesRequest)
register(answers.Timings, pb.Timings, queue="queue_seconds", encode="encode_seconds", search="search_seconds")
register(answers.Info, pb.AnswerInfo)
for _kind in (
    answers.NeuronScore, answers.Prediction, answers.InstanceHit, answers.InstancesResult, answers.NeuronsResult,
    answers.InterventionResult, answers.PredictResult, answers.Signature, answers.Instance, answers.Setting, answers.Method,
    Limits,
):  # fmt: skip
    register(_kind, getattr(pb, _kind.__name__))  # what holds others comes after them


# ---------------------------------------------------------------- filters, which hold each other

FILTERS: dict[str, Codec[Any]] = {
    "and": Codec(And, pb.FilterList),
    "or": Codec(Or, pb.FilterList),
    "comparison": Codec(Comparison, pb.Comparison),
    "in": Codec(Membership, pb.Membership),
    "is_null": Codec(NullTest, pb.NullTest),
    "like": Codec(TextMatch, pb.TextMatch),
}
"""Every kind of filter but `Not`, which is a filter's own, by the field that holds it."""
FILTER_FIELDS: dict[type[Any], str] = {codec.kind: field for field, codec in FILTERS.items()} | {Not: "not"}


def filter_to_wire(condition: Filter) -> pb.Filter:
    """A filter; Python keeps some names of its fields to itself."""
    field = FILTER_FIELDS[type(condition)]
    content: Any = filter_to_wire(condition.filter) if isinstance(condition, Not) else FILTERS[field].encode(condition)
    return pb.Filter(**{field: content})


def filter_from_wire(message: pb.Filter) -> Filter:
    """A filter.

    Raises:
        UsageError: an empty node, nesting without end, or more of it than a query may cost.
    """
    values.check_size(message)
    return checked_filter(message)


def checked_filter(message: pb.Filter) -> Filter:
    """A filter whose size was checked."""
    field = message.WhichOneof("node")
    if field is None:
        raise UsageError("where: a node of the filter is empty", "where")
    content = getattr(message, field)
    return Not(checked_filter(content)) if field == "not" else cast("Filter", FILTERS[field].decode(content))
