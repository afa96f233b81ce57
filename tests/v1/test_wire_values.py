"""Nothing of a filter, a vector or a record is lost on the wire, and what cannot be read is refused in words."""

import datetime as dt
import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from google.protobuf import json_format, struct_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from attridex.v1 import attribution_pb2 as pb
from attridex.v1 import codec, wire_values
from attridex.v1.answers import Instance, InstanceHit
from attridex.v1.errors import UsageError
from attridex.v1.exact_values import InexactNumber
from attridex.v1.filters import DEPTH, NODES, And, Comparison, Filter, Membership, Not, NullTest, Or, TextMatch
from attridex.v1.requests import AttributeInstancesRequest, GetInstancesRequest, Query, RecordSource
from attridex.v1.rpcs import RPCS

HIT, INSTANCE = (codec.ColumnsCodec(kind, getattr(pb, kind.__name__)) for kind in (InstanceHit, Instance))
QUERY = pb.Query(id="q", instance_id="t1")
LOSS = pb.Filter(comparison=pb.Comparison(column="loss", operator=pb.OPERATOR_GREATER, value=pb.Literal(int_value=2)))


def record_of(values: dict[str, Any]) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update(values)
    return struct


def test_whole_numbers_of_a_record_are_ints_as_long_as_doubles_hold_them_exactly() -> None:
    values = {"a": 3.0, "b": 3.5, "c": [1.0, {"d": -2.0}], "e": True, "f": None, "g": "7", "h": 2.0**53, "i": 1e300}
    found = wire_values.record_from_wire(record_of(values))
    assert found == values
    kinds = {key: type(value) for key, value in found.items()}
    assert kinds == {"a": int, "b": float, "c": list, "e": bool, "f": type(None), "g": str, "h": int, "i": InexactNumber}
    assert type(found["c"][1]["d"]) is int


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("identity", "name"), [("mine", "mine"), ("", "#1")])
def test_a_record_with_a_number_that_json_has_not_is_named(number: float, identity: str, name: str) -> None:
    message = pb.Query(id=identity, record=record_of({"deep": [{"x": number}]}))
    with pytest.raises(UsageError, match=f"query '{name}': .* NaN or infinity") as raised:
        wire_values.queries_from_wire([QUERY, message])
    assert raised.value.field == "queries"


@pytest.mark.parametrize(
    "number", [3, 3.0, -0.0, 1e16, 10**16, 2**53 + 1, 12345678901234567890, 1e22, 10**22, 0.1, 123456789.0, True]
)
def test_a_record_s_numbers_arrive_as_they_were_written(number: Any) -> None:
    for values in ({"x": number}, {"deep": [{"x": [number]}]}):
        sent = pb.Query.FromString(wire_values.query_to_wire(Query("q", RecordSource(values))).SerializeToString())
        found = wire_values.query_from_wire(sent, 0).source
        assert isinstance(found, RecordSource)
        assert repr(found.values) == repr(values)


@pytest.mark.parametrize(
    ("text", "words"), [("[1]", "object is needed"), ("{", "not valid JSON"), ('{"a": NaN}', "NaN or infinity")]
)
def test_a_record_that_is_no_json_object_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=f"query 'q': .*{words}"):
        wire_values.query_from_wire(pb.Query(id="q", record_json=text), 0)
    with pytest.raises(UsageError, match="record_json stands beside instance_id"):
        wire_values.query_from_wire(pb.Query(instance_id="t1", record_json=text), 0)


def test_dates_decimals_and_numbers_of_numpy_travel_as_json_has_them() -> None:
    values = {
        "a": dt.date(2021, 5, 2),
        "b": Decimal("1.10"),
        "c": np.int64(2**60 + 1),
        "d": (np.float32(0.5), None),
        "e": Decimal(7),
    }
    found = wire_values.query_from_wire(wire_values.query_to_wire(Query("q", RecordSource(values))), 0).source
    assert found == RecordSource({"a": "2021-05-02", "b": "1.10", "c": 2**60 + 1, "d": [0.5, None], "e": 7})


def test_a_record_that_json_cannot_hold_is_refused_before_it_is_sent() -> None:
    with pytest.raises(UsageError, match="holds what JSON cannot"):
        wire_values.query_to_wire(Query("q", RecordSource({"a": object()})))


@pytest.mark.parametrize(
    "request_",
    [
        AttributeInstancesRequest((Query.instance("\udcb2"),)),
        AttributeInstancesRequest((Query.instance("t1", id="x\ud800"),)),
        AttributeInstancesRequest((Query.record({"a": "\ud800", "n": 3.0}, id="q"),)),
        AttributeInstancesRequest((Query.instance("t1"),), where=Comparison("genre", "=", "\ud800")),
        AttributeInstancesRequest((Query.instance("t1"),), fields=("\ud800",)),
        GetInstancesRequest(("\udcb2",)),
    ],
)
def test_half_a_surrogate_pair_is_refused_before_it_is_sent(request_: Any) -> None:
    with pytest.raises(UsageError, match="surrogate"):
        RPCS[type(request_)].request.encode(request_)


def test_at_most_1024_queries_are_taken() -> None:
    assert len(wire_values.queries_from_wire([QUERY] * 1024)) == 1024
    with pytest.raises(UsageError, match="queries: 1025 queries; at most 1024 a request, use AttributeStream"):
        wire_values.queries_from_wire([QUERY] * 1025)


@pytest.mark.parametrize(("dtype", "name"), [(pb.DTYPE_FLOAT16, "<f2"), (pb.DTYPE_FLOAT32, "<f4"), (pb.DTYPE_FLOAT64, "<f8")])
def test_a_vector_is_read_in_its_own_type(dtype: Any, name: str) -> None:
    values = np.array([0.0, -1.5, 2.0**-14], name)
    found = wire_values.vector_from_wire(pb.Vector(data=values.tobytes(), dtype=dtype))
    assert found.dtype == np.float32
    assert found.tolist() == values.tolist()
    broken = pb.Query(id="q", vector=pb.Vector(data=values.tobytes()[:-1], dtype=dtype))
    with pytest.raises(UsageError, match=r"query 'q': .* bytes are no whole number of float"):
        wire_values.queries_from_wire([broken])


def test_a_vector_beyond_float32_becomes_infinite_without_a_warning() -> None:
    message = pb.Vector(data=np.array([1e300]).tobytes(), dtype=pb.DTYPE_FLOAT64)
    assert wire_values.vector_from_wire(message).tolist() == [math.inf]


@pytest.mark.parametrize("dtype", [pb.DTYPE_UNSPECIFIED, 9])
def test_a_vector_of_no_known_type_is_refused(dtype: Any) -> None:
    with pytest.raises(UsageError, match="query 'q': the vector's dtype is not set"):
        wire_values.query_from_wire(pb.Query(id="q", vector=pb.Vector(data=b"1234", dtype=dtype)), 0)


def test_a_vector_comes_back_as_it_was_sent() -> None:
    values = np.random.default_rng(0).normal(size=64).astype(np.float32)
    for sent in (values, values[::2].astype(">f4")):
        assert np.array_equal(wire_values.vector_from_wire(wire_values.vector_to_wire(sent)), sent)


def test_an_unknown_label_source_is_no_default() -> None:
    with pytest.raises(UsageError, match="label: unknown value 7"):
        wire_values.label_from_wire(7)


@pytest.mark.parametrize(("value", "words"), [(-1, "k = -1: must not be negative"), (1 << 32, "too large")])
def test_a_count_that_the_wire_cannot_carry_is_refused(value: int, words: str) -> None:
    with pytest.raises(UsageError, match=words) as raised:
        wire_values.count_to_wire("k", value)
    assert raised.value.field == "k"


def test_columns_keep_their_values_and_numbers_that_a_struct_cannot_hold_are_null() -> None:
    values = {"a": "x", "b": 1, "c": 2.5, "d": True, "e": None, "nan": math.nan, "inf": math.inf}
    assert json_format.MessageToDict(wire_values.columns_to_wire(values)) == {**values, "nan": None, "inf": None}


def test_columns_come_back_in_the_order_that_was_asked_for() -> None:
    struct = wire_values.columns_to_wire({"a": 1, "b": 2.5, "c": "x"})
    assert list(wire_values.columns_from_wire(struct, ["c", "b"]).items()) == [("c", "x"), ("b", 2.5), ("a", 1)]


@given(st.dictionaries(st.text(max_size=3), st.one_of(st.integers(), st.text(max_size=3), st.lists(st.integers(), max_size=3))))
def test_whole_numbers_of_columns_arrive_as_they_are_stored(fields: dict[str, Any]) -> None:
    for kind, codec_ in ((InstanceHit(1, "t", 0, 0.5, fields), HIT), (Instance("t", 0, fields), INSTANCE)):
        assert codec_.decode(codec_.encode(kind)).fields == fields


# ---------------------------------------------------------------- filters

literals = st.one_of(st.text(max_size=5), st.booleans(), st.integers(-(10**38), 10**38), st.floats(allow_nan=False))
columns = st.text(min_size=1, max_size=5)
leaves = st.one_of(
    st.builds(Comparison, columns, st.sampled_from(sorted(wire_values.OPERATOR_CODES)), literals),
    st.builds(lambda column, values: Membership(column, tuple(values)), columns, st.lists(literals, max_size=4)),
    st.builds(NullTest, columns),
    st.builds(TextMatch, columns, st.text(max_size=5)),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda kind, parts: kind(tuple(parts)), st.sampled_from([And, Or]), st.lists(inner, max_size=3)),
        st.builds(Not, inner),
    ),
    max_leaves=12,
)


def received(message: pb.Filter) -> Filter:
    """A filter as it is found in a request that came over the wire."""
    request = pb.ListInstancesRequest.FromString(pb.ListInstancesRequest(where=message).SerializeToString())
    return codec.filter_from_wire(request.where)


@settings(deadline=None)
@given(trees)
def test_every_filter_arrives_as_it_was_meant(tree: Filter) -> None:
    found = received(codec.filter_to_wire(tree))
    assert found == tree
    assert repr(found) == repr(tree)  # 1, 1.0 and True are equal in Python, and are not the same literal


def nested(depth: int) -> pb.Filter:
    message = pb.Filter()
    inner = message
    for _ in range(depth):
        inner = getattr(inner, "not")
    inner.is_null.column = "loss"
    return message


def asking(message: pb.Filter) -> Filter:
    wire_values.check_size(message)
    return codec.filter_from_wire(message)


def test_a_filter_may_be_as_deep_as_the_limit_and_no_deeper() -> None:
    asking(nested(DEPTH))
    with pytest.raises(UsageError, match=f"more than {DEPTH} levels deep"):
        asking(nested(DEPTH + 1))
    with pytest.raises(UsageError, match="levels deep"):
        asking(nested(5000))


@pytest.mark.parametrize("kind", ["in", "or"])
def test_conditions_and_list_values_count_together_up_to_the_limit(kind: str) -> None:
    def made(count: int) -> pb.Filter:
        if kind == "in":
            return pb.Filter(**{"in": pb.Membership(column="id", values=[pb.Literal(int_value=n) for n in range(count)])})
        return pb.Filter(**{"or": pb.FilterList(filters=[pb.Filter(is_null=pb.NullTest(column="id"))] * count)})

    asking(made(NODES - 1))
    with pytest.raises(UsageError, match=f"more than {NODES} conditions"):
        asking(made(NODES))


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (pb.Filter(), "a node of the filter is empty"),
        (pb.Filter(**{"and": pb.FilterList(filters=[LOSS, pb.Filter()])}), "a node of the filter is empty"),
        (pb.Filter(comparison=pb.Comparison(column="loss", operator=pb.OPERATOR_EQUAL)), "a literal is not set"),
        (pb.Filter(comparison=pb.Comparison(column="a", value=pb.Literal(int_value=1))), "unknown operator ''"),
        (
            pb.Filter(comparison=pb.Comparison(column="a", operator=pb.OPERATOR_LESS, value=pb.Literal(double_value=math.nan))),
            "a literal is NaN",
        ),
    ],
)
def test_an_unfinished_filter_is_refused(message: pb.Filter, words: str) -> None:
    with pytest.raises(UsageError, match=words) as raised:
        asking(message)
    assert raised.value.field == "where"
