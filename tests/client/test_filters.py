"""Filter strings become the typed tree, and nothing but conditions over columns gets through."""

from typing import get_args

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attridex.client.errors import FilterError
from attridex.client.filters import parse_filter
from attridex.indexer.index.layout import Column
from attridex.indexer.index.records import Manifest
from attridex.service.search.planner import compile_filter
from attridex.v1.codec import filter_to_wire
from attridex.v1.filters import And, Comparison, Filter, Membership, Not, NullTest, Or, TextMatch

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=12)
COLUMNS = st.from_regex(r"[a-z]{3,8}_", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("label = 'x'", Comparison("label", "=", "x")),
        ("2 < loss", Comparison("loss", ">", 2)),
        ("2 != loss", Comparison("loss", "!=", 2)),
        ("loss >= -1.5", Comparison("loss", ">=", -1.5)),
        ("truncated", Comparison("truncated", "=", True)),
        ("truncated IS FALSE", And((Not(NullTest("truncated")), Comparison("truncated", "=", False)))),
        ("genre IS NOT NULL", Not(NullTest("genre"))),
        ("genre NOT LIKE 'a%'", Not(TextMatch("genre", "a%"))),
        ("a IN (1, 'b')", Membership("a", (1, "b"))),
        ("a NOT IN (1)", Not(Membership("a", (1,)))),
        ("d BETWEEN 4 AND 5", And((Comparison("d", ">=", 4), Comparison("d", "<=", 5)))),
    ],
)
def test_conditions_are_read(text: str, expected: Filter) -> None:
    assert parse_filter(text) == expected


def test_and_or_and_parentheses_nest() -> None:
    tree = parse_filter("a = 1 AND (b = 2 OR NOT c = 3) AND d BETWEEN 4 AND 5")
    assert isinstance(tree, And)
    assert [type(part) for part in tree.filters] == [Comparison, Or, And]


@pytest.mark.parametrize(
    "text",
    ["", "1 = 1", "lower(label) = 'x'", "a = b", "a = 1; DROP TABLE x", "a IN (SELECT 1)", "a + 1 = 2", "a = 1 ORDER BY a",
     "EXISTS (SELECT 1)", "t.a = 1", "a = 'x", "CASE WHEN a THEN 1 END", "a = 1 LIMIT 1", "a LIKE b",
     "a BETWEEN SYMMETRIC 5 AND 1", "a LIKE 'x' ESCAPE 'e'", "a ILIKE 'x'", "a COLLATE NOCASE = 'x'", "a::int = 1", "a IS 1",
     "a = 1e400", "a = 1e", "a = 1" + "0" * 5000, "a = 9007199254740993.5", "a = 0.12345678901234567891",
     "(" * 3000 + "a" + ")" * 3000],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(FilterError, match="filter"):
        parse_filter(text)


def test_the_parser_s_own_classes_are_not_shown() -> None:
    with pytest.raises(FilterError, match="missing for GT"):
        parse_filter("loss >")


@settings(deadline=None)
@given(COLUMNS, TEXTS)
def test_any_text_literal_comes_through_unchanged(column: str, value: str) -> None:
    quoted = value.replace("'", "''")
    assert parse_filter(f"{column} = '{quoted}'") == Comparison(column, "=", value)


@settings(deadline=None)
@given(COLUMNS, st.integers(-(2**63), 2**63 - 1))
def test_any_whole_number_comes_through_unchanged(column: str, value: int) -> None:
    found = parse_filter(f"{column} > {value}")
    assert found == Comparison(column, ">", value)
    assert filter_to_wire(found).comparison.value.int_value == value


@settings(deadline=None)
@given(st.text(max_size=30))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        assert isinstance(parse_filter(text), get_args(Filter))
    except FilterError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right, a broken line is not


@pytest.mark.parametrize("truth", ["b IS TRUE", "b IS FALSE", "b IS NULL", "n IS DISTINCT FROM 1", "n IS DISTINCT FROM NULL"])
@pytest.mark.parametrize("form", ["{}", "NOT ({})", "negated"])
def test_a_test_of_truth_or_sameness_finds_the_rows_that_duckdb_finds(truth: str, form: str) -> None:
    negated = truth.replace("IS ", "IS NOT ")
    text = negated if form == "negated" else form.format(truth)
    manifest = Manifest.model_construct(version="1", columns=[Column("b", "BOOLEAN"), Column("n", "BIGINT")])
    with duckdb.connect() as con:
        con.execute("CREATE TABLE t AS FROM (VALUES (true, 1), (false, 2), (NULL, NULL)) AS v(b, n)")
        sql, parameters = compile_filter(parse_filter(text), manifest)
        assert con.execute(f"FROM t WHERE {sql}", parameters).fetchall() == con.execute(f"FROM t WHERE {text}").fetchall()


@pytest.mark.parametrize("text", ["label = positive", 'label = "positive"', "label != predicted", "label IN (positive)"])
def test_a_column_beside_a_column_is_refused_with_what_a_text_needs(text: str) -> None:
    with pytest.raises(FilterError, match="in single quotes"):
        parse_filter(text)
