"""Filters become SQL over known columns alone, masks are remembered."""

from typing import Any

import numpy as np
import pytest

from attridex.indexer.index.layout import Column
from attridex.indexer.index.records import Manifest
from attridex.service.errors import InvalidArgumentError
from attridex.service.search.planner import Planner, compile_filter, listing_sql
from attridex.service.storage.version import IndexVersion
from attridex.v1.filters import And, Comparison, Filter, Membership, Not, NullTest, Or, TextMatch

COLUMNS = [Column("row", "BIGINT"), Column("genre", "VARCHAR"), Column("loss", "DOUBLE"), Column("truncated", "BOOLEAN")]
MANIFEST = Manifest.model_construct(version="3", columns=COLUMNS)
LOSS, GENRE = Comparison("loss", ">", 2), Comparison("genre", "=", "phone")


@pytest.mark.parametrize(
    ("condition", "sql", "parameters"),
    [
        (LOSS, '"loss" > ?', [2]),
        (Not(LOSS), 'NOT ("loss" > ?)', [2]),
        (And((LOSS, GENRE)), '("loss" > ?) AND ("genre" = ?)', [2, "phone"]),
        (Or((NullTest("loss"), Not(GENRE))), '("loss" IS NULL) OR (NOT ("genre" = ?))', ["phone"]),
        (Membership("genre", ("a", "b")), '"genre" IN (?, ?)', ["a", "b"]),
        (TextMatch("genre", "a%"), '"genre" LIKE ?', ["a%"]),
    ],
)
def test_a_filter_is_sql_with_parameters(condition: Filter, sql: str, parameters: list[Any]) -> None:
    assert compile_filter(condition, MANIFEST) == (sql, parameters)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (Comparison("los", ">", 2), "where: unknown column 'los'; did you mean 'loss'?"),
        (Comparison("loss", ">", "2"), "where: column 'loss' holds a number, it is compared with '2'"),
        (Comparison("truncated", "=", 1), "where: column 'truncated' holds true or false, it is compared with 1"),
        (TextMatch("loss", "a%"), "where: column 'loss' holds a number, it is compared with 'a%'"),
        (Membership("genre", ()), "where: the list after 'genre IN' is empty"),
        (And(()), "where: 'and' has 0 conditions"),
    ],
)
def test_a_filter_that_cannot_hold_is_refused(condition: Filter, said: str) -> None:
    with pytest.raises(InvalidArgumentError) as raised:
        compile_filter(condition, MANIFEST)
    assert (str(raised.value), raised.value.field) == (said, "where")


def test_an_operator_that_is_no_operator_is_never_written_into_sql() -> None:
    with pytest.raises(KeyError):
        compile_filter(Comparison("loss", "> 0 OR 1 =", 2), MANIFEST)  # type: ignore[arg-type]


class Version(IndexVersion):
    """Six rows of which one is deleted; counts its queries."""

    rows, live, sha256 = 6, 5, ""

    def __init__(self) -> None:
        """Delete row 2."""
        self.manifest, self.alive, self.asked = MANIFEST, np.arange(6) != 2, 0

    def rows_where(self, sql: str, parameters: Any) -> Any:
        """1, 2 and 4, whatever is asked."""
        self.asked += 1
        return np.array([1, 2, 4])


def test_a_mask_leaves_deleted_rows_out_and_is_remembered() -> None:
    planner, version = Planner(), Version()
    for _ in range(2):
        mask = planner.mask(version, GENRE)
        assert mask is not None
        assert np.flatnonzero(mask).tolist() == [1, 4]
    assert version.asked == 1
    assert planner.mask(version, None) is version.alive
    version.live = 6
    assert planner.mask(version, None) is None


@pytest.mark.parametrize(("order_by", "order"), [("-loss", '"loss" DESC'), ("", '"row" ASC'), ("genre", '"genre" ASC')])
def test_a_listing_is_ordered_by_a_column_and_then_by_row(order_by: str, order: str) -> None:
    assert listing_sql(MANIFEST, None, order_by) == (f"WHERE TRUE ORDER BY {order} NULLS LAST, row", [])
