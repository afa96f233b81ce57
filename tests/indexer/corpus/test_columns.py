"""Columns: one type for all values, and values in it."""

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from attridex.indexer.corpus.columns import RULES, as_column, check_value, column_type, merged_type
from attridex.indexer.errors import InputError
from attridex.indexer.index.layout import OWN_COLUMNS
from attridex.indexer.index.tables import read_table, write_instances
from attridex.indexer.readers.values import Cell, Single

BIG, DAY, MOMENT = 2**53 + 1, dt.date(2021, 5, 2), dt.datetime(2021, 5, 2, 3, 4, 5, 6)
MINUTE = MOMENT.replace(second=0, microsecond=0)
ZONE = dt.timezone(dt.timedelta(hours=2))


@pytest.mark.parametrize(
    ("values", "kind", "stored"),
    [
        ([1, None, 2], "BIGINT", [1, None, 2]),
        ([1, 2.5], "DOUBLE", [1.0, 2.5]),
        ([True, False], "BOOLEAN", [True, False]),
        ([True, 1], "VARCHAR", ["true", "1"]),
        (["a", 1, ["b"]], "VARCHAR", ["a", "1", '["b"]']),
        ([None], "VARCHAR", [None]),
        ([float("nan"), 1.5, None], "DOUBLE", [None, 1.5, None]),
        ([float("nan"), "a"], "VARCHAR", [None, "a"]),
        ([BIG, 1], "BIGINT", [BIG, 1]),
        ([BIG, 0.5], "VARCHAR", [str(BIG), "0.5"]),
        ([2**63, -1], "DECIMAL(38,0)", [Decimal(2**63), Decimal(-1)]),
        ([10**38, 1], "VARCHAR", [str(10**38), "1"]),
        ([DAY, None], "DATE", [DAY, None]),
        ([MOMENT], "TIMESTAMP", [MOMENT]),
        ([MOMENT.replace(tzinfo=ZONE)], "TIMESTAMP", [MOMENT.replace(hour=1)]),
        ([MOMENT, MOMENT.replace(tzinfo=dt.UTC)], "VARCHAR", [MOMENT.isoformat(), f"{MOMENT.isoformat()}+00:00"]),
        ([DAY, MOMENT], "VARCHAR", ["2021-05-02", "2021-05-02T03:04:05.000006"]),
        ([dt.time(13, 45)], "TIME", [dt.time(13, 45)]),
        ([Decimal("1.10"), Decimal("12.5"), 3], "DECIMAL(18,2)", [Decimal("1.10"), Decimal("12.5"), Decimal(3)]),
        ([Decimal("1.10"), 0.5], "VARCHAR", ["1.10", "0.5"]),
        ([Decimal("1E+3"), Decimal("NaN")], "DECIMAL(4,0)", [Decimal(1000), None]),
        ([["a"], [], None], "VARCHAR[]", [["a"], [], None]),
        ([[1, None], [2.5]], "DOUBLE[]", [[1.0, None], [2.5]]),
        ([[DAY], [None]], "DATE[]", [[DAY], [None]]),
        ([[1], ["a"]], "VARCHAR[]", [["1"], ["a"]]),
        ([[[1]], [{"a": DAY}]], "VARCHAR", ["[[1]]", '[{"a": "2021-05-02"}]']),
        ([[]], "VARCHAR[]", [[]]),
        ([{"x": 1.0}, {"x": None}], "VARCHAR", ['{"x": 1.0}', '{"x": null}']),
        (["2021-05-02T03:04:05.000006", None], "TIMESTAMP", [MOMENT, None]),
        (
            ["2021-05-02 03:04", "2021-05-02T03:04:05"],
            "TIMESTAMP",
            [MINUTE, MOMENT.replace(microsecond=0)],
        ),
        (["2021-05-02T03:04:05.000006+02:00", "2021-05-02T01:04:05.000006Z"], "TIMESTAMP", [MOMENT.replace(hour=1)] * 2),
        (["2021-05-02T03:04", "2021-05-02T03:04Z"], "VARCHAR", ["2021-05-02T03:04", "2021-05-02T03:04Z"]),
        (["2021-05-02T03:04", "soon"], "VARCHAR", ["2021-05-02T03:04", "soon"]),
        (["2021-13-02T03:04"], "VARCHAR", ["2021-13-02T03:04"]),
        (["2021-05-02"], "VARCHAR", ["2021-05-02"]),
        ([Cell("9"), Cell(""), Cell("10")], "BIGINT", [9, None, 10]),
        ([Cell("9"), Cell("1.5e3")], "DOUBLE", [9.0, 1500.0]),
        ([Cell("true"), Cell("False")], "BOOLEAN", [True, False]),
        ([Cell("01234"), Cell("9")], "VARCHAR", ["01234", "9"]),
        ([Cell("a"), Cell(""), Cell("1.50")], "VARCHAR", ["a", None, "1.50"]),
        ([Cell("2021-05-02 03:04")], "TIMESTAMP", [MINUTE]),
        ([Single(np.float32(0.1)), Single(2)], "DOUBLE", [0.1, 2.0]),
        ([[Single(np.float32(0.1))]], "DOUBLE[]", [[0.1]]),
        ([dt.timedelta(days=1, seconds=2)], "VARCHAR", ["1 day, 0:00:02"]),
    ],
)
def test_a_column_has_the_narrowest_type_that_holds_all_its_values(values: list[Any], kind: str, stored: list[Any]) -> None:
    assert merged_type({column_type(value) for value in values}) == kind
    assert [as_column(value, kind) for value in values] == stored


@pytest.mark.parametrize(
    "values",
    [[BIG, None], [2**63, -1], [DAY], [MOMENT, None], [dt.time(1)], [Decimal("1.10"), Decimal(12)], [["a"], [], None], [[DAY]]],
)
def test_what_a_column_stores_comes_back_from_the_shard(values: list[Any], tmp_path: Path) -> None:
    kind = merged_type(set(map(column_type, values)))
    own = dict.fromkeys(OWN_COLUMNS)
    write_instances(tmp_path / "t", {"x": kind}, [{**own, "x": as_column(value, kind)} for value in values])
    assert read_table(tmp_path / "t", ["x"]).column("x").to_pylist() == values


@pytest.mark.parametrize("value", [b"x", float("inf"), Decimal("-Infinity"), ["a", b"x"], [[float("-inf")]]])
def test_what_no_column_holds_is_refused_at_its_place(value: Any) -> None:
    with pytest.raises(InputError, match=r"f:3: column 'x' holds .* is needed \(corpus\.metadata\)"):
        check_value("x", value, "f:3")


def test_time_that_is_finer_than_a_column_is_text() -> None:
    fine = pa.array([1], pa.timestamp("ns")).to_pylist()[0]
    assert as_column(fine, merged_type({column_type(fine)})) == "1970-01-01T00:00:00.000000001"


def test_an_index_that_was_begun_by_older_rules_keeps_its_types() -> None:
    rules = RULES[1]
    for value, kind, stored in ((DAY, "VARCHAR", '"2021-05-02"'), (["a"], "VARCHAR", '["a"]'), (BIG, "BIGINT", BIG)):
        assert rules.type_of({rules.kind_of(value)}) == kind
        assert rules.stored(value, kind) == stored
    assert rules.type_of({rules.kind_of(value) for value in (BIG, 0.5)}) == "DOUBLE"
    rules.check("x", b"x", "f:1")
