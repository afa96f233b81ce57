"""Candidates drop only rows that k others surely beat."""

import numpy as np
import pytest

from attridex.service.search.candidates import PRUNE, Candidates


@pytest.mark.parametrize("k", [1, 7, 400])
@pytest.mark.parametrize("slack", [0.0, 0.3])
def test_the_k_best_are_never_dropped(k: int, slack: float) -> None:
    rng = np.random.default_rng(k)
    scores = rng.normal(size=3 * PRUNE)
    one, other = Candidates(k), Candidates(k)
    for part, rows in zip((one, other) * 3, np.array_split(rng.permutation(len(scores)), 6), strict=True):
        part.add(rows, scores[rows] + slack, scores[rows] - slack)
    one.merge(other)
    left = one.rows()
    assert set(np.argsort(-scores)[:k]) <= set(left)
    assert len(left) < len(scores)
    assert one.floor <= np.sort(scores)[-k]
    assert np.all(scores[left] + slack >= one.floor)


def test_fewer_rows_than_k_all_stay() -> None:
    few = Candidates(5)
    assert few.rows().tolist() == []
    few.add(np.array([3, 1]), np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    assert few.rows().tolist() == [3, 1]
    assert few.floor == -np.inf
