"""Filter strings become the typed tree, and nothing but conditions over columns gets through."""

import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st

from attridex.client.errors import FilterError
from attridex.client.filters import parse_filter
from attridex.v1 import attribution_pb2 as pb

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=12)
COLUMNS = st.from_regex(r"[a-z]{3,8}_", fullmatch=True)


def shown(text: str) -> str:
    return " ".join(text_format.MessageToString(parse_filter(text), as_one_line=True).split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("label = 'x'", 'comparison { column: "label" operator: OPERATOR_EQUAL value { string_value: "x" } }'),
        ("2 < loss", 'comparison { column: "loss" operator: OPERATOR_GREATER value { int_value: 2 } }'),
        ("loss >= -1.5", 'comparison { column: "loss" operator: OPERATOR_GREATER_EQUAL value { double_value: -1.5 } }'),
        ("truncated", 'comparison { column: "truncated" operator: OPERATOR_EQUAL value { bool_value: true } }'),
        ("genre IS NOT NULL", 'not { is_null { column: "genre" } }'),
        ("genre NOT LIKE 'a%'", 'not { like { column: "genre" pattern: "a%" } }'),
        ("a IN (1, 'b')", 'in { column: "a" values { int_value: 1 } values { string_value: "b" } }'),
    ],
)
def test_conditions_are_read(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_and_or_and_parentheses_nest() -> None:
    tree = parse_filter("a = 1 AND (b = 2 OR NOT c = 3) AND d BETWEEN 4 AND 5")
    kinds = [child.WhichOneof("node") for child in getattr(tree, "and").filters]
    assert kinds == ["comparison", "or", "and"]


@pytest.mark.parametrize(
    "text",
    ["", "1 = 1", "lower(label) = 'x'", "a = b", "a = 1; DROP TABLE x", "a IN (SELECT 1)", "a + 1 = 2", "a = 1 ORDER BY a",
     "EXISTS (SELECT 1)", "t.a = 1", "a = 'x", "CASE WHEN a THEN 1 END", "a = 1 LIMIT 1", "a LIKE b"],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(FilterError, match="filter"):
        parse_filter(text)


def test_the_parser_s_own_classes_are_not_shown() -> None:
    with pytest.raises(FilterError, match="missing for GT"):
        parse_filter("loss >")


@given(COLUMNS, TEXTS)
def test_any_text_literal_comes_through_unchanged(column: str, value: str) -> None:
    quoted = value.replace("'", "''")
    found = parse_filter(f"{column} = '{quoted}'").comparison
    assert (found.column, found.value.string_value) == (column, value)


@given(COLUMNS, st.integers(-(2**63), 2**63 - 1))
def test_any_whole_number_comes_through_unchanged(column: str, value: int) -> None:
    assert parse_filter(f"{column} > {value}").comparison.value.int_value == value


@given(st.text(max_size=30))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        assert isinstance(parse_filter(text), pb.Filter)
    except FilterError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right, a broken line is not
