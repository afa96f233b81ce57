"""A literal is compared exactly, as what the column holds, or refused with what would be right."""

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import duckdb
import pytest

from attridex.indexer.errors import InputError
from attridex.indexer.index.catalog import Catalog
from attridex.indexer.index.layout import Column
from attridex.indexer.index.records import Manifest
from attridex.service.errors import InvalidArgumentError
from attridex.service.search.literals import parameter
from attridex.service.search.planner import compile_filter
from attridex.v1.filters import Comparison, Filter, Membership, Not, NullTest, Operator, TextMatch, Value

TYPES = {
    "big": "BIGINT", "huge": "DECIMAL(38,0)", "price": "DECIMAL(10,2)", "day": "DATE", "moment": "TIMESTAMP", "hour": "TIME",
    "tags": "VARCHAR[]", "numbers": "BIGINT[]", "days": "DATE[]",
}  # fmt: skip
MANIFEST = Manifest.model_construct(version="1", columns=[Column(*each) for each in TYPES.items()])
ROWS = (
    (2**53 + 1, 12345678901234567890, Decimal("1.10"), dt.date(2021, 5, 2), dt.datetime(2021, 5, 2, 3), dt.time(13, 45),
     ["a", "b"], [2**53 + 1], [dt.date(2021, 5, 2)]),
    (2**53, 12345678901234567891, Decimal("2.00"), dt.date(2021, 5, 3), dt.datetime(2021, 5, 3), dt.time(0), ["c"], [], []),
    (None,) * 9,
)  # fmt: skip


def rows_of(condition: Filter) -> list[int]:
    """Which rows a condition holds for."""
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE t (row INTEGER, {', '.join(f'{name} {kind}' for name, kind in TYPES.items())})")
        con.executemany(f"INSERT INTO t VALUES (?, {', '.join('?' * len(TYPES))})", [(at, *row) for at, row in enumerate(ROWS)])
        sql, parameters = compile_filter(condition, MANIFEST)
        return [row for (row,) in con.execute(f"SELECT row FROM t WHERE {sql} ORDER BY row", parameters).fetchall()]


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        (Comparison("big", "=", 2**53 + 1), [0]),
        (Comparison("big", "=", float(2**53)), [1]),
        (Comparison("big", "<", 1e300), [0, 1]),
        (Comparison("big", "<", 10**400), [0, 1]),
        (Comparison("huge", ">", -(10**50)), [0, 1]),
        (Comparison("huge", "=", 12345678901234567890), [0]),
        (Comparison("huge", "=", "12345678901234567891"), [1]),
        (Membership("huge", (12345678901234567890, 1)), [0]),
        (Comparison("price", "=", 1.1), [0]),
        (Comparison("price", "=", "1.10"), [0]),
        (Comparison("price", ">", 1), [0, 1]),
        (Comparison("day", "=", "2021-05-02"), [0]),
        (Membership("day", ("2021-05-03", "1999-01-01")), [1]),
        (Comparison("moment", ">", "2021-05-02"), [0, 1]),
        (Comparison("moment", "=", "2021-05-02T05:00:00+02:00"), [0]),
        (Comparison("hour", "<=", "13:45"), [0, 1]),
        (Comparison("tags", "=", "a"), [0]),
        (Comparison("tags", "!=", "a"), [1]),
        (Membership("tags", ("b", "c")), [0, 1]),
        (TextMatch("tags", "%c%"), [1]),
        (NullTest("tags"), [2]),
        (Not(NullTest("tags")), [0, 1]),
        (Comparison("numbers", "=", 2**53 + 1), [0]),
        (Comparison("days", "=", "2021-05-02"), [0]),
    ],
)
def test_a_column_is_compared_in_its_own_type(condition: Filter, rows: list[int]) -> None:
    assert rows_of(condition) == rows


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (Comparison("day", "=", "May 2nd"), "column 'day' holds a date, as '2021-05-02', it is compared with 'May 2nd'"),
        (Comparison("day", "=", 20210502), "column 'day' holds a date, as '2021-05-02', it is compared with 20210502"),
        (Comparison("moment", "=", True), "column 'moment' holds a time"),
        (Comparison("price", "=", "much"), "column 'price' holds a number, it is compared with 'much'"),
        (Comparison("price", "=", True), "column 'price' holds a number, it is compared with True"),
        (Comparison("big", "=", "1"), "column 'big' holds a number, it is compared with '1'"),
        (Comparison("tags", "<", "a"), "column 'tags' holds lists; use = (one of them is)"),
        (Comparison("numbers", "=", "a"), "column 'numbers' holds"),
        (TextMatch("numbers", "1%"), "column 'numbers' holds lists of a number"),
        (TextMatch("day", "2021%"), "column 'day' holds a date"),
        (Membership("tags", ()), "the list after 'tags IN' is empty"),
    ],
)
def test_a_literal_of_another_kind_is_refused(condition: Filter, said: str) -> None:
    with pytest.raises(InvalidArgumentError) as raised:
        compile_filter(condition, MANIFEST)
    assert str(raised.value).startswith(f"where: {said}")


def test_numbers_that_no_decimal_holds_stay_doubles() -> None:
    found: list[Any] = [parameter("x", value, "BIGINT") for value in (1e300, 1e-50, float("inf"), 0.5, 3)]
    assert [type(each) for each in found] == [float, float, float, Decimal, int]


KINDS = [
    "VARCHAR", "BOOLEAN", "BIGINT", "INTEGER", "DOUBLE", "DATE", "TIME", "TIMESTAMP", "DECIMAL(18,2)", "DECIMAL(38,0)",
    "DECIMAL(38,38)", "BIGINT[]", "VARCHAR[]", "DOUBLE[]", "DATE[]", "DECIMAL(18,2)[]",
]  # fmt: skip
VALUES: list[Value] = [
    "a", "", "2021-05-02", "9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+23:59", "24:00", "12:00:00.1234567", "nan", "inf",
    "1e400", "\x00", True, False, 0, -1, 2**31, 2**63, 10**37, 10**38, -(10**50), 0.1, 1e300, 5e-324, float("nan"), float("inf"),
    f"0.{'1' * 60}", "1" * 60, "1_000", " 1 ", "\u0661",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_a_literal_is_it_is_compared_or_refused_in_a_line(kind: str, tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "catalog.duckdb")) as con:
        con.execute(f"CREATE TABLE instances (row BIGINT, x {kind})")
        con.execute("INSERT INTO instances VALUES (0, NULL)")
    catalog = Catalog(tmp_path / "catalog.duckdb")
    manifest = Manifest.model_construct(version="1", columns=[Column("x", kind)])
    said = list[str]()
    for value in VALUES:
        conditions = [*(Comparison("x", operator, value) for operator in get_args(Operator)), Membership("x", (value, value))]
        for condition in (*conditions, TextMatch("x", str(value)), Not(conditions[0])):
            try:
                sql, parameters = compile_filter(condition, manifest)
                assert catalog.select(f"SELECT row FROM instances WHERE {sql}", parameters) == []
            except (InvalidArgumentError, InputError) as error:
                said.append(str(error))
    assert not any("\n" in line for line in said)
