"""Groups: sums of their rows' scores, exact, the best first, ties by name."""

from typing import Any

import duckdb
import numpy as np
import pytest

from attridex.indexer.index.layout import Column
from attridex.indexer.index.records import Manifest
from attridex.service.errors import InvalidArgumentError
from attridex.service.search.groups import Grouping, best_groups, grouping
from attridex.service.storage.version import IndexVersion

GROUPS = Grouping(["a", "b", "c", "d"], np.array([2, 0, 0, -1, 1, 2, 3]))
SCORES = np.array([1.0, 2.0, -0.5, 90.0, 1.5, 3.0, -7.0])


def test_groups_are_found_by_the_sums_of_their_rows() -> None:
    found = best_groups(GROUPS, np.arange(7), SCORES, 3)
    assert found.names == ["c", "a", "b"]
    assert found.scores.tolist() == [4.0, 1.5, 1.5]
    assert found.counts.tolist() == [2, 2, 1]
    assert found.best.tolist() == [5, 1, 4]


def test_only_rows_that_count_are_summed_and_the_lowest_may_be_asked() -> None:
    rows = np.array([0, 1, 2, 4])
    found = best_groups(GROUPS, rows, SCORES[rows], 9)
    assert (found.names, found.scores.tolist()) == (["a", "b", "c"], [1.5, 1.5, 1.0])
    lowest = best_groups(GROUPS, np.arange(7), SCORES, 1, ascending=True)
    assert (lowest.names, lowest.scores.tolist(), lowest.best.tolist()) == (["d"], [-7.0], [6])


@pytest.mark.parametrize("seed", range(5))
def test_sums_are_those_of_a_plain_loop(seed: int) -> None:
    chance = np.random.default_rng(seed)
    groups = Grouping([f"g{n:02d}" for n in range(12)], chance.integers(-1, 12, 200))
    scores, rows = chance.normal(size=200), np.flatnonzero(chance.random(200) < 0.7)
    sums: dict[str, float] = {}
    for row in rows:
        if groups.of[row] >= 0:
            name = groups.names[groups.of[row]]
            sums[name] = sums.get(name, 0.0) + scores[row]
    expected = sorted(sums, key=lambda name: (-sums[name], name))[:5]
    found = best_groups(groups, rows, scores[rows], 5)
    assert found.names == expected
    np.testing.assert_allclose(found.scores, [sums[name] for name in expected])


def version(values: list[Any]) -> IndexVersion:
    made = object.__new__(IndexVersion)
    manifest = Manifest.model_construct(columns=[Column("document", "VARCHAR")])
    con = duckdb.connect()
    con.execute("CREATE TABLE instances (row BIGINT, document VARCHAR)")
    con.executemany("INSERT INTO instances VALUES (?, ?)", list(enumerate(values)))
    vars(made).update(manifest=manifest, select=lambda sql, parameters: con.execute(sql, parameters).fetchall())
    return made


def test_rows_are_grouped_by_a_column() -> None:
    found = grouping(version(["b", None, "a", "b"]), "document")
    assert found.names == ["a", "b"]
    assert found.of.tolist() == [1, -1, 0, 1]


def test_a_column_that_groups_nothing_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"group: unknown column 'dokument'; .*document"):
        grouping(version(["a"]), "dokument")
    with pytest.raises(InvalidArgumentError, match="empty everywhere"):
        grouping(version([None]), "document")
