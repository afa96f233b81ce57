"""Messages become requests with the defaults that the proto states, and nothing of a filter, a vector or a record is lost."""

import math
from typing import Any

import numpy as np
import pytest
from google.protobuf import json_format, struct_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from attridex.service.edge import convert, convert_answers
from attridex.service.edge.convert_filters import NODES, OPERATORS, condition
from attridex.service.errors import InvalidArgumentError
from attridex.service.requests import (
    Condition,
    IaNeuronsRequest,
    Info,
    InstancesRequest,
    Intervention,
    ListRequest,
    NaInstancesRequest,
    NeuronsRequest,
    PredictRequest,
    Query,
    Scoring,
    SignatureRequest,
)
from attridex.service.search.planner import DEPTH
from attridex.v1 import attribution_pb2 as pb

QUERIES = [pb.Query(id="q", instance_id="t1")]
ASKED = (Query("q", instance_id="t1"),)
LOSS = pb.Filter(comparison=pb.Comparison(column="loss", operator=pb.OPERATOR_GREATER, value=pb.Literal(int_value=2)))
WHERE = Condition("compare", (), "loss", ">", (2,))
NEURONS = pb.NeuronSet(neurons=[pb.Neuron(layer=1, unit=2)])


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (convert.instances_request(pb.AttributeInstancesRequest(queries=QUERIES), 99), InstancesRequest(ASKED)),
        (convert.instances_request(pb.AttributeInstancesRequest(queries=QUERIES), 4), InstancesRequest(ASKED, k=4)),
        (
            convert.instances_request(
                pb.AttributeInstancesRequest(
                    queries=QUERIES, method="influence", curvature="fisher", damping=0.0, k=0, where=LOSS,
                    label=pb.LABEL_SOURCE_PREDICTED, fields=["a"], ascending=True,
                ),
                99,
            ),
            InstancesRequest(ASKED, Scoring("influence", "fisher", 0.0), 0, WHERE, "predicted", ("a",), True),
        ),
        (convert.neurons_request(pb.AttributeNeuronsRequest(queries=QUERIES)), NeuronsRequest(ASKED, 20)),
        (convert.neurons_request(pb.AttributeNeuronsRequest(queries=QUERIES, r=0)), NeuronsRequest(ASKED, 0)),
        (convert.na_instances_request(pb.FindInstancesByNeuronsRequest(queries=QUERIES), 99), NaInstancesRequest(ASKED)),
        (
            convert.na_instances_request(
                pb.FindInstancesByNeuronsRequest(queries=QUERIES, r=3, k=2, similarity="activation", where=LOSS, fields=["a"]), 9
            ),
            NaInstancesRequest(ASKED, 3, 2, "activation", WHERE, ("a",)),
        ),
        (convert.ia_neurons_request(pb.FindNeuronsByInstancesRequest(queries=QUERIES), 99), IaNeuronsRequest(ASKED)),
        (
            convert.ia_neurons_request(
                pb.FindNeuronsByInstancesRequest(
                    queries=QUERIES, method="influence", curvature="fisher", damping=1.5, instances=7, r=3, aggregate="summed",
                    where=LOSS, label=pb.LABEL_SOURCE_GOLD,
                ),
                9,
            ),
            IaNeuronsRequest(ASKED, Scoring("influence", "fisher", 1.5), 7, 3, "summed", WHERE, "gold"),
        ),
        (convert.signature_request(pb.ComputeSignatureRequest(queries=QUERIES)), SignatureRequest(ASKED)),
        (convert.list_request(pb.ListInstancesRequest()), ListRequest()),
        (
            convert.list_request(
                pb.ListInstancesRequest(where=LOSS, order_by="-loss", page_size=7, page_token="x", fields=["a"])
            ),
            ListRequest(WHERE, "-loss", 7, "x", ("a",)),
        ),
        (
            convert.predict_request(
                pb.PredictRequest(
                    queries=QUERIES,
                    interventions=[
                        pb.Intervention(mode=pb.INTERVENTION_MODE_SUPPRESS, top=pb.TopNeurons(r=3)),
                        pb.Intervention(name="n", mode=pb.INTERVENTION_MODE_KEEP, neurons=NEURONS),
                    ],
                )
            ),
            PredictRequest(ASKED, (Intervention("suppress", None, "na", 3), Intervention("keep", ((1, 2),), name="n"))),
        ),
    ],
)  # fmt: skip
def test_a_message_is_its_request(found: Any, expected: Any) -> None:
    assert found == expected


@pytest.mark.parametrize("made", [{}, {"mode": pb.INTERVENTION_MODE_KEEP}, {"mode": 9, "neurons": NEURONS}, {"neurons": NEURONS}])
def test_half_an_intervention_is_refused(made: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match="needs a mode"):
        convert.predict_request(pb.PredictRequest(interventions=[pb.Intervention(**made)]))


def test_whole_numbers_of_a_record_are_ints_as_long_as_doubles_hold_them_exactly() -> None:
    values = {"a": 3.0, "b": 3.5, "c": [1.0, {"d": -2.0}], "e": True, "f": None, "g": "7", "h": 2.0**53, "i": 1e300}
    struct = struct_pb2.Struct()
    struct.update(values)
    found = convert.query(pb.Query(record=struct)).record
    assert found == values
    assert found is not None
    kinds = {key: type(value) for key, value in found.items()}
    assert kinds == {"a": int, "b": float, "c": list, "e": bool, "f": type(None), "g": str, "h": int, "i": float}
    assert type(found["c"][1]["d"]) is int


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("identity", "name"), [("mine", "mine"), ("", "#1")])
def test_a_record_with_a_number_that_json_has_not_is_named(number: float, identity: str, name: str) -> None:
    struct = struct_pb2.Struct()
    struct.update({"deep": [{"x": number}]})
    with pytest.raises(InvalidArgumentError, match=f"query '{name}': .* NaN or infinity"):
        convert.queries([QUERIES[0], pb.Query(id=identity, record=struct)])


def test_at_most_1024_queries_are_taken() -> None:
    assert len(convert.queries(QUERIES * 1024)) == 1024
    with pytest.raises(InvalidArgumentError, match="1025 in one request; at most 1024"):
        convert.queries(QUERIES * 1025)


@pytest.mark.parametrize(("dtype", "name"), [(pb.DTYPE_FLOAT16, "<f2"), (pb.DTYPE_FLOAT32, "<f4"), (pb.DTYPE_FLOAT64, "<f8")])
def test_a_vector_is_read_in_its_own_type(dtype: Any, name: str) -> None:
    values = np.array([0.0, -1.5, 2.0**-14], name)
    found = convert.vector(pb.Vector(data=values.tobytes(), dtype=dtype), "q")
    assert found.dtype == np.float32
    assert found.tolist() == values.tolist()
    with pytest.raises(InvalidArgumentError, match=r"query 'q': .* bytes are no whole number of float"):
        convert.vector(pb.Vector(data=values.tobytes()[:-1], dtype=dtype), "q")


def test_a_vector_beyond_float32_becomes_infinite_without_a_warning() -> None:
    assert convert.vector(pb.Vector(data=np.array([1e300]).tobytes(), dtype=pb.DTYPE_FLOAT64), "q").tolist() == [math.inf]


@pytest.mark.parametrize("dtype", [pb.DTYPE_UNSPECIFIED, 9])
def test_a_vector_of_no_known_type_is_refused(dtype: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="dtype is not set"):
        convert.vector(pb.Vector(data=b"1234", dtype=dtype), "q")


def test_an_unknown_label_source_is_no_default() -> None:
    with pytest.raises(InvalidArgumentError, match="label: unknown value 7"):
        convert.signature_request(pb.ComputeSignatureRequest(label=7))  # type: ignore[arg-type]


# ---------------------------------------------------------------- filters

literals = st.one_of(st.text(max_size=5), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
columns = st.text(min_size=1, max_size=5)
leaves = st.one_of(
    st.builds(
        lambda c, o, v: Condition("compare", (), c, o, (v,)), columns, st.sampled_from(sorted(OPERATORS.values())), literals
    ),
    st.builds(lambda c, v: Condition("in", (), c, "", tuple(v)), columns, st.lists(literals, max_size=4)),
    st.builds(lambda c: Condition("null", (), c), columns),
    st.builds(lambda c, p: Condition("like", (), c, "", (p,)), columns, st.text(max_size=5)),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda kind, c: Condition(kind, tuple(c)), st.sampled_from(["and", "or"]), st.lists(inner, max_size=3)),
        st.builds(lambda c: Condition("not", (c,)), inner),
    ),
    max_leaves=12,
)


def literal_message(value: Any) -> pb.Literal:
    kinds = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}
    return pb.Literal(**{kinds[type(value)]: value})


def filter_message(node: Condition) -> pb.Filter:
    """The slow and obvious inverse of `condition`."""
    message = pb.Filter()
    if node.kind in ("and", "or"):
        getattr(message, node.kind).SetInParent()
        getattr(message, node.kind).filters.extend(map(filter_message, node.children))
    elif node.kind == "not":
        getattr(message, "not").CopyFrom(filter_message(node.children[0]))
    elif node.kind == "compare":
        code: Any = next(code for code, sign in OPERATORS.items() if sign == node.operator)
        message.comparison.CopyFrom(pb.Comparison(column=node.column, operator=code, value=literal_message(node.values[0])))
    elif node.kind == "in":
        getattr(message, "in").CopyFrom(pb.Membership(column=node.column, values=map(literal_message, node.values)))
    elif node.kind == "null":
        message.is_null.column = node.column
    else:
        message.like.CopyFrom(pb.TextMatch(column=node.column, pattern=str(node.values[0])))
    return message


@settings(deadline=None)
@given(trees)
def test_every_filter_arrives_as_it_was_meant(tree: Condition) -> None:
    found = condition(pb.Filter.FromString(filter_message(tree).SerializeToString()))
    assert found == tree
    assert repr(found) == repr(tree)  # 1, 1.0 and True are equal in Python, and are not the same literal


def nested(depth: int) -> pb.Filter:
    message = pb.Filter()
    inner = message
    for _ in range(depth):
        inner = getattr(inner, "not")
    inner.is_null.column = "loss"
    return message


def test_a_filter_may_be_as_deep_as_the_limit_and_no_deeper() -> None:
    condition(nested(DEPTH))
    for depth in (DEPTH + 1, 5000):
        with pytest.raises(InvalidArgumentError, match=f"more than {DEPTH} levels deep"):
            condition(nested(depth))


@pytest.mark.parametrize("kind", ["in", "or"])
def test_conditions_and_list_values_count_together_up_to_the_limit(kind: str) -> None:
    def made(count: int) -> pb.Filter:
        if kind == "in":
            return pb.Filter(**{"in": pb.Membership(column="id", values=[pb.Literal(int_value=n) for n in range(count)])})
        return pb.Filter(**{"or": pb.FilterList(filters=[pb.Filter(is_null=pb.NullTest(column="id"))] * count)})

    condition(made(NODES - 1))
    with pytest.raises(InvalidArgumentError, match=f"more than {NODES} conditions"):
        condition(made(NODES))


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (pb.Filter(), "a node of the filter is empty"),
        (pb.Filter(**{"and": pb.FilterList(filters=[LOSS, pb.Filter()])}), "a node of the filter is empty"),
        (pb.Filter(comparison=pb.Comparison(column="loss", operator=pb.OPERATOR_EQUAL)), "a literal is not set"),
        (
            pb.Filter(
                comparison=pb.Comparison(column="a", operator=pb.OPERATOR_LESS, value=pb.Literal(double_value=math.nan))
            ),
            "a literal is NaN",
        ),
    ],
)  # fmt: skip
def test_an_unfinished_filter_is_refused(message: pb.Filter, words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        condition(message)


# ---------------------------------------------------------------- answers


def test_columns_keep_their_values_and_numbers_that_a_struct_cannot_hold_are_null() -> None:
    values = {"a": "x", "b": 1, "c": 2.5, "d": True, "e": None, "nan": math.nan, "inf": math.inf}
    found = json_format.MessageToDict(convert_answers.struct(values))
    assert found == {**values, "nan": None, "inf": None}


def test_what_an_answer_does_not_have_is_absent_and_not_zero() -> None:
    bare, full = convert_answers.info(Info("1", "m")), convert_answers.info(Info("1", "m", recall=0.0, damping=0.0, label="gold"))
    assert [bare.HasField("recall"), bare.HasField("damping"), bare.label] == [False, False, pb.LABEL_SOURCE_UNSPECIFIED]
    assert [full.HasField("recall"), full.HasField("damping"), full.label] == [True, True, pb.LABEL_SOURCE_GOLD]


def test_a_vector_comes_back_as_it_was_sent() -> None:
    values = np.random.default_rng(0).normal(size=64).astype(np.float32)
    assert np.array_equal(convert.vector(convert_answers.float32(values), "q"), values)
    assert np.array_equal(convert.vector(convert_answers.float32(values[::2].astype(">f4")), "q"), values[::2])
