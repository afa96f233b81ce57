"""Columns: one type for all values, and values in it."""

from typing import Any

import pytest

from attridex.indexer.corpus.columns import as_column, column_type, merged_type


@pytest.mark.parametrize(
    ("values", "kind", "stored"),
    [
        ([1, None, 2], "BIGINT", [1, None, 2]),
        ([1, 2.5], "DOUBLE", [1.0, 2.5]),
        ([True, False], "BOOLEAN", [True, False]),
        ([True, 1], "VARCHAR", ["true", "1"]),
        (["a", 1, ["b"]], "VARCHAR", ["a", "1", '["b"]']),
        ([None], "VARCHAR", [None]),
    ],
)
def test_a_column_has_the_narrowest_type_that_holds_all_its_values(values: list[Any], kind: str, stored: list[Any]) -> None:
    assert merged_type({column_type(value) for value in values}) == kind
    assert [as_column(value, kind) for value in values] == stored
