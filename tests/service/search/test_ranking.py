"""Hits are in the order of their scores, ties in that of their ids: as sorting all pairs has them."""

import numpy as np
import pytest

from attridex.indexer.held.waited import waited_for
from attridex.service.errors import CancelledError
from attridex.service.search import groups
from attridex.service.search.groups import Grouping, best_groups
from attridex.service.search.postings import summed
from attridex.service.search.ranking import ranked


@pytest.mark.parametrize("k", [1, 3, 40, 100])
@pytest.mark.parametrize("kinds", [1, 3, 1000])
def test_it_is_the_order_of_score_and_id(kinds: int, k: int) -> None:
    draw = np.random.default_rng(kinds)
    scores = draw.integers(0, kinds, 40) / 7 - 1.0
    ids = [f"t{number}" for number in draw.permutation(40)]
    expected = sorted(range(40), key=lambda at: (-scores[at], ids[at]))[:k]
    assert ranked(scores, lambda at: [ids[each] for each in at], k).tolist() == expected


def test_nothing_has_an_order_too() -> None:
    assert ranked(np.zeros(0), lambda at: [], 5).tolist() == []


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_pieces_change_no_bit_of_the_sums_of_groups(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    grouped = Grouping([f"g{number}" for number in range(5)], draw.integers(-1, 5, 200))
    rows, scores = np.flatnonzero(draw.random(200) < 0.7), draw.standard_normal(200)
    monkeypatch.setattr(groups, "AT_ONCE", size)
    found = best_groups(grouped, rows, scores[rows], 3)
    inside = rows[grouped.of[rows] >= 0]
    sums = np.bincount(grouped.of[inside], scores[inside], 5)
    order = sorted(range(5), key=lambda group: (-sums[group], group))[:3]
    assert found.names == [f"g{group}" for group in order]
    assert found.scores.tolist() == sums[order].tolist()
    for group, best in zip(order, found.best, strict=True):
        assert best == max(inside[grouped.of[inside] == group], key=lambda row: scores[row])


def test_loops_stop_once_nobody_waits() -> None:
    def gone() -> None:
        raise CancelledError("gone")

    with waited_for(gone):
        for work in (
            lambda: best_groups(Grouping(["g"], np.zeros(9, np.int64)), np.arange(9), np.zeros(9), 1),
            lambda: ranked(np.zeros(9), lambda at: ["x"] * len(at), 9),
            lambda: summed([(np.arange(9, dtype=np.int32), np.ones(9, np.float32))], 9, 1, None),
        ):
            with pytest.raises(CancelledError):
                work()
