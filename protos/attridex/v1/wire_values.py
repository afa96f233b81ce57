"""The parts that messages are made of, to and from protobuf: labels, vectors, records, queries, filters."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from google.protobuf import json_format, struct_pb2
from numpy.typing import NDArray

from attridex.v1 import attribution_pb2 as pb
from attridex.v1.errors import UsageError
from attridex.v1.exact_values import EXACT, LARGEST, InexactNumber, exact_whole, json_value, record_from_json, record_json
from attridex.v1.filters import DEPTH, NODES, Operator, Value
from attridex.v1.neurons import Neuron
from attridex.v1.requests import (
    QUERIES,
    InstanceSource,
    LabelSource,
    Mode,
    NeuronsSource,
    Precision,
    Query,
    RecordSource,
    Source,
    VectorSource,
)

LABELS: Mapping[int, LabelSource | None] = {
    pb.LABEL_SOURCE_UNSPECIFIED: None, pb.LABEL_SOURCE_GOLD: "gold", pb.LABEL_SOURCE_PREDICTED: "predicted",
}  # fmt: skip
LABEL_CODES = {name: code for code, name in LABELS.items()}
MODES: Mapping[int, Mode] = {pb.INTERVENTION_MODE_SUPPRESS: "suppress", pb.INTERVENTION_MODE_KEEP: "keep"}
MODE_CODES = {name: code for code, name in MODES.items()}
PRECISIONS: Mapping[int, Precision] = {
    pb.DTYPE_UNSPECIFIED: "float32", pb.DTYPE_FLOAT32: "float32", pb.DTYPE_FLOAT64: "float64",
}  # fmt: skip
PRECISION_CODES = {"float32": pb.DTYPE_FLOAT32, "float64": pb.DTYPE_FLOAT64}
DTYPES: Mapping[int, str] = {pb.DTYPE_FLOAT16: "<f2", pb.DTYPE_FLOAT32: "<f4", pb.DTYPE_FLOAT64: "<f8"}
OPERATORS: Mapping[int, Operator] = {
    pb.OPERATOR_EQUAL: "=", pb.OPERATOR_NOT_EQUAL: "!=", pb.OPERATOR_LESS: "<", pb.OPERATOR_LESS_EQUAL: "<=",
    pb.OPERATOR_GREATER: ">", pb.OPERATOR_GREATER_EQUAL: ">=",
}  # fmt: skip
OPERATOR_CODES = {name: code for code, name in OPERATORS.items()}


def label_from_wire(code: int) -> LabelSource | None:
    """A label source.

    Raises:
        UsageError: a value that this side does not know.
    """
    if code not in LABELS:
        raise UsageError(f"label: unknown value {code}; use LABEL_SOURCE_GOLD or _PREDICTED", "label")
    return LABELS[code]


def count_to_wire(name: str, value: int | None, bits: int = 32) -> int | None:
    """A count that the wire can carry.

    Raises:
        UsageError: it is negative, or too large.
    """
    if value is not None and not 0 <= value < 1 << bits:
        raise UsageError(f"{name} = {value}: must not be negative" if value < 0 else f"{name} = {value}: too large", name)
    return value


# ---------------------------------------------------------------- vectors and records


def vector_to_wire(values: NDArray[Any]) -> pb.Vector:
    """A vector as float32 bytes."""
    return pb.Vector(data=np.ascontiguousarray(values, "<f4").tobytes(), dtype=pb.DTYPE_FLOAT32)


def vector_from_wire(message: pb.Vector) -> NDArray[np.float32]:
    """A vector as float32; what float32 cannot hold becomes infinite.

    Raises:
        UsageError: no element type, or bytes that do not fit it.
    """
    dtype = DTYPES.get(message.dtype)
    if dtype is None:
        raise UsageError("the vector's dtype is not set; use DTYPE_FLOAT32", "queries")
    if len(message.data) % np.dtype(dtype).itemsize:
        raise UsageError(f"{len(message.data)} bytes are no whole number of {np.dtype(dtype).name} elements", "queries")
    with np.errstate(over="ignore"):
        return np.frombuffer(message.data, dtype).astype(np.float32)


def precision_from_wire(code: int) -> Precision:
    """An element type of scores.

    Raises:
        UsageError: scores have no such one.
    """
    if code not in PRECISIONS:
        raise UsageError(f"dtype: scores are DTYPE_FLOAT32 or DTYPE_FLOAT64, not {code}", "dtype")
    return PRECISIONS[code]


def array_to_wire(values: NDArray[Any]) -> pb.Vector:
    """An array of float32 or float64, in C order."""
    precision: Precision = "float64" if values.dtype == np.float64 else "float32"
    data = np.ascontiguousarray(values, np.dtype(precision).newbyteorder("<")).tobytes()
    return pb.Vector(data=data, dtype=PRECISION_CODES[precision])


def array_from_wire(message: pb.Vector) -> NDArray[np.float32] | NDArray[np.float64]:
    """An array, flat; read only.

    Raises:
        UsageError: no element type, or bytes that do not fit it.
    """
    kind = np.dtype(precision_from_wire(message.dtype)).newbyteorder("<")
    if len(message.data) % kind.itemsize:
        raise UsageError(f"{len(message.data)} bytes are no whole number of {kind.name} elements", "scores")
    found: NDArray[np.float32] | NDArray[np.float64] = np.frombuffer(message.data, kind)
    return found


def rows_from_wire(rows: Sequence[int]) -> NDArray[np.int64]:
    """Rows of an index."""
    return np.array(rows, np.int64)


def record_to_wire(record: Mapping[str, Any]) -> struct_pb2.Struct:
    """A record as a Struct.

    Raises:
        UsageError: it holds what JSON cannot.
    """
    fields = struct_pb2.Struct()
    try:
        fields.update(dict(record))
    except (ValueError, TypeError, OverflowError) as error:
        raise UsageError(f"a record holds what JSON cannot: {error}", "queries") from None
    return fields


def record_from_wire(struct: struct_pb2.Struct) -> dict[str, Any]:
    """A record; numbers that are whole become ints, as JSON wrote them.

    Raises:
        UsageError: it holds NaN or infinity.
    """
    try:
        return cast("dict[str, Any]", as_written(json_format.MessageToDict(struct)))
    except (ValueError, json_format.Error):
        raise UsageError("the record holds NaN or infinity; give a number or null", "queries") from None


def as_written(value: Any) -> Any:
    """A Struct's value as Python's; of a whole number beyond 2^53 nobody knows how it was written."""
    if isinstance(value, float) and value.is_integer():
        return int(value) if abs(value) <= EXACT else InexactNumber(value)
    if isinstance(value, list):
        return [as_written(item) for item in value]
    if isinstance(value, dict):
        return {key: as_written(item) for key, item in value.items()}
    return value


# ---------------------------------------------------------------- columns of instances


def columns_to_wire(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """Columns of an instance; NaN and infinity, which a Struct cannot hold, become null."""
    message = struct_pb2.Struct()
    message.update({key: as_double(json_value(value)) for key, value in values.items()})
    return message


def as_double(value: Any) -> Any:
    """A value that a Struct takes: a whole number that is too large for any double becomes text."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST:
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def columns_json(values: Mapping[str, Any]) -> str:
    """Columns as JSON, where a Struct would change a whole number; else nothing."""
    found = {key: json_value(value) for key, value in values.items()}
    if all(map(exact_whole, found.values())):
        return ""
    return json.dumps({key: as_double(whole_int(value)) for key, value in found.items()}, ensure_ascii=False)


def columns_from_wire(struct: struct_pb2.Struct, order: Sequence[str]) -> dict[str, Any]:
    """Columns of an instance, those of `order` first and in it; numbers that are whole become ints."""
    if not struct.fields:  # the usual case, and quick
        return {}
    return ordered({key: whole_int(value) for key, value in json_format.MessageToDict(struct).items()}, order)


def columns_from_json(text: str, order: Sequence[str]) -> dict[str, Any]:
    """Columns that came as JSON, in the same order."""
    return ordered(json.loads(text), order)


def ordered(values: Mapping[str, Any], order: Sequence[str]) -> dict[str, Any]:
    """Columns, those of `order` first and in it."""
    return {name: values[name] for name in [*(each for each in order if each in values), *sorted(values.keys() - order)]}


def whole_int(value: Any) -> Any:
    """A number that is whole as an int, in lists too."""
    if isinstance(value, list):
        return [whole_int(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


# ---------------------------------------------------------------- queries


def neurons_to_wire(neurons: Sequence[Neuron]) -> list[pb.Neuron]:
    """Neurons."""
    return [pb.Neuron(layer=each.layer, unit=each.unit, expert=each.expert) for each in neurons]


def neurons_from_wire(messages: Sequence[pb.Neuron]) -> tuple[Neuron, ...]:
    """Neurons."""
    return tuple(Neuron(each.layer, each.unit, each.expert if each.HasField("expert") else None) for each in messages)


def query_to_wire(query: Query) -> pb.Query:
    """A query."""
    message = query_source_to_wire(query)
    message.output = query.output
    message.max_new_tokens = count_to_wire("max_new_tokens", query.max_new_tokens) or 0
    return message


def query_source_to_wire(query: Query) -> pb.Query:
    """A query's name and what it is about."""
    match query.source:
        case RecordSource(values):
            plain = json_value(values)
            return pb.Query(id=query.id, record=record_to_wire(plain), record_json=record_json(plain))
        case InstanceSource(identity):
            return pb.Query(id=query.id, instance_id=identity)
        case VectorSource(values):
            return pb.Query(id=query.id, vector=vector_to_wire(values))
        case NeuronsSource(neurons):
            return pb.Query(id=query.id, neurons=pb.NeuronSet(neurons=neurons_to_wire(neurons)))
    return pb.Query(id=query.id)


def queries_to_wire(queries: Sequence[Query]) -> list[pb.Query]:
    """The queries of a request."""
    return list(map(query_to_wire, queries))


def queries_from_wire(messages: Sequence[pb.Query]) -> tuple[Query, ...]:
    """The queries of a request; what asks checks that each has a source.

    Raises:
        UsageError: too many, or a source that cannot be read.
    """
    if len(messages) > QUERIES:
        raise UsageError(
            f"queries: {len(messages)} queries; at most {QUERIES} a request, use AttributeStream for more", "queries"
        )
    return tuple(query_from_wire(message, number) for number, message in enumerate(messages))


def query_from_wire(message: pb.Query, number: int) -> Query:
    """A query; `number` is its position, for errors."""
    try:
        return Query(message.id, source_from_wire(message), message.output, message.max_new_tokens)
    except UsageError as error:
        raise UsageError(f"query '{message.id or f'#{number}'}': {error}", error.field) from None


def source_from_wire(message: pb.Query) -> Source | None:
    """What a query is about."""
    kind = message.WhichOneof("source")
    if message.record_json and kind in (None, "record"):
        return RecordSource(record_from_json(message.record_json))
    if message.record_json:
        raise UsageError(f"record_json stands beside {kind}; give one of them", "queries")
    match kind:
        case "record":
            return RecordSource(record_from_wire(message.record))
        case "instance_id":
            return InstanceSource(message.instance_id)
        case "vector":
            return VectorSource(vector_from_wire(message.vector))
        case "neurons":
            return NeuronsSource(neurons_from_wire(message.neurons.neurons))
    return None


# ---------------------------------------------------------------- filters


def value_to_wire(value: Value) -> pb.Literal:
    """A literal."""
    if isinstance(value, bool):
        return pb.Literal(bool_value=value)
    if isinstance(value, str):
        return pb.Literal(string_value=value)
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return pb.Literal(int_value=value)
    return pb.Literal(decimal_value=str(value)) if isinstance(value, int) else pb.Literal(double_value=value)


def check_size(message: pb.Filter) -> None:
    """Refuse a filter that is too deep or too large before anything is made of it; without recursion."""
    nodes, level, depth = 0, [message], 0
    while level:
        if depth > DEPTH:
            raise UsageError(f"where: more than {DEPTH} levels deep", "where")
        nodes += len(level) + sum(len(getattr(node, "in").values) for node in level)
        if nodes > NODES:
            raise UsageError(f"where: more than {NODES} conditions and values; ask in several requests", "where")
        level, depth = [child for node in level for child in children(node)], depth + 1


def children(message: pb.Filter) -> list[pb.Filter]:
    """The filters below a node."""
    node = message.WhichOneof("node")
    if node in ("and", "or"):
        return list(getattr(message, node).filters)
    return [getattr(message, "not")] if node == "not" else []


def operator_to_wire(operator: Operator) -> int:
    """A comparison's operator; what this side does not know is left unset, which is refused."""
    return OPERATOR_CODES.get(operator, pb.OPERATOR_UNSPECIFIED)


def operator_from_wire(code: int) -> Operator:
    """A comparison's operator.

    Raises:
        UsageError: it is not set, or one that this side does not know.
    """
    if code not in OPERATORS:
        raise UsageError("where: unknown operator ''; use = != < <= > >=", "where")
    return OPERATORS[code]


def value_from_wire(message: pb.Literal) -> Value:
    """A literal of a filter.

    Raises:
        UsageError: it is not set, NaN, or no whole number where it should be.
    """
    kind = message.WhichOneof("kind")
    if kind is None:
        raise UsageError("where: a literal is not set", "where")
    if kind == "double_value" and math.isnan(message.double_value):
        raise UsageError("where: a literal is NaN; give a number", "where")
    if kind == "decimal_value":
        return whole_number(message.decimal_value)
    return cast("Value", getattr(message, kind))


def whole_number(digits: str) -> int:
    """A whole number of decimal digits.

    Raises:
        UsageError: it is none, or has more than a column can hold.
    """
    if not re.fullmatch(r"-?[0-9]{1,40}", digits):
        raise UsageError(f"where: the literal {digits[:50]!r} is no whole number of at most 40 digits", "where")
    return int(digits)
