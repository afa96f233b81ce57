import numpy as np
import pytest

from attridex.client.studies.agreement import Hits, approximate_table, compared_hits, rank_correlations


def test_methods_that_rank_alike_correlate_and_absent_instances_are_last() -> None:
    found = {"a": np.array([[3.0, 2.0, 1.0]]), "b": np.array([[9.0, 8.0, np.nan]]), "c": np.array([[1.0, 2.0, 3.0]])}
    rho = {(row["a"], row["b"]): row["rho"] for row in rank_correlations(found, ["q"])}
    assert rho == pytest.approx({("a", "b"): 1.0, ("a", "c"): -1.0, ("b", "c"): -1.0})


def test_approximate_hits_lose_what_the_exact_ones_have_more() -> None:
    found = compared_hits(Hits(["a", "b"], [3.0, 1.0]), Hits(["a", "c"], [3.0, 0.0]))
    assert found == {"recall": 0.5, "lost": 0.25}
    rows = [{"query": "q", "method": "grad-dot", "structure": "sq8", **found}]
    table = [(row["structure"], row["measure"], row["mean"]) for row in approximate_table(rows, 0)]
    assert table == [("sq8", "recall", 0.5), ("sq8", "lost", 0.25)]
