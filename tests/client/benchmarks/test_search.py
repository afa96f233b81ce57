"""The look-up benchmarks measure what the service does, on vectors and postings of any size."""

import numpy as np
import pytest

from attridex.client.benchmarks import search
from attridex.client.benchmarks.search import Postings, touch


def test_each_gives_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"ROWS": 40, "DIM": 8, "SHARD": 16, "BATCH": 3, "INSTANCES": 50, "KEPT": 5, "NEURONS": 30, "FLAT": (20, 40)}
    for constant, value in small.items():
        monkeypatch.setattr(search, constant, value)
    found = [*search.scan_vectors(1), *search.search_postings(1), *search.search_flat(1)]
    assert [figure.name for figure in found] == [
        "scan, 1 query, float32", "scan, 3 queries, float32", "scan, 1 query, float16", "scan, 3 queries, float16",
        "NA-Instances, all kept equally often", "NA-Instances, kept as by Zipf's law", "search, an instance at 40 rows",
    ]  # fmt: skip
    assert all(figure.seconds > 0 and figure.floor_seconds > 0 for figure in found)


@pytest.mark.parametrize("skew", [0.0, 1.0])
def test_touching_the_postings_adds_each_weight_once(skew: float) -> None:
    stored = Postings(50, 5, 30, skew)
    indptr, rows, weights, _ = stored.postings
    total = touch(stored, [2, 7])
    expected = np.zeros(50)
    for neuron in (2, 7):
        for at in range(indptr[neuron], indptr[neuron + 1]):
            expected[rows[at]] += weights[at]
    np.testing.assert_allclose(total, expected)
