import numpy as np
import pytest

from attridex.client.studies import diversity
from attridex.client.studies.diversity import mean_cosine
from attridex.client.workbench.statistics import ranks_of

RNG = np.random.default_rng(0)


def test_diversity_is_that_of_the_best_ranked_and_its_interval_holds_it() -> None:
    rng = np.random.default_rng(0)
    losses = rng.uniform(0, 1, 200)
    states = rng.normal(size=(200, 8)).astype(np.float32)
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    words = tuple(np.array([at % 50, 50 + at % 7]) for at in range(200))
    described = diversity.Described(states, losses, np.full(200, 9.0), words, 57)
    ranks = ranks_of(rng.normal(size=(30, 200)) - losses)  # every query has an easy instance rather first
    rows = {row["measure"]: row for row in diversity.measured_top(described, ranks, 20, 0, "m")}
    best = np.argsort(ranks.sum(0), kind="stable")[:20]
    assert rows["loss"]["mean"] == pytest.approx(losses[best].mean())
    assert rows["tokens"] == {"method": "m", "measure": "tokens", "mean": 9.0, "low": 9.0, "high": 9.0, "n": 30}
    assert rows["distinct_words"]["mean"] == len({int(word) for at in best for word in words[at]})
    pairs = [float(states[a] @ states[b]) for a in best for b in best if a != b]
    assert rows["cosine"]["mean"] == pytest.approx(np.mean(pairs), abs=1e-6)
    for row in rows.values():
        assert row["low"] <= row["mean"] <= row["high"]
    table = {row["measure"]: row for row in diversity.random_sets(described, 20, 50, 0)}
    assert table["loss"]["low"] < losses.mean() < table["loss"]["high"]
    assert rows["loss"]["high"] < table["loss"]["low"]


def test_mean_cosine_is_the_mean_over_all_pairs() -> None:
    states = RNG.normal(size=(12, 5))
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    pairs = [states[i] @ states[j] for i in range(12) for j in range(12) if i != j]
    assert mean_cosine(states) == pytest.approx(np.mean(pairs))
