"""The cores of the studies on small inputs made by hand."""

import numpy as np
import pytest

from attridex.client.studies import artefacts, diversity, faithfulness, finetune_subsets, lds, mislabel, overlap
from attridex.client.studies.agreement import correlations
from attridex.client.workbench import markers
from attridex.client.workbench.statistics import ranks_of


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("The actor saw the senators , the lawyers waited .", "The actor saw the senators .", (1.0, 1.0, 0.0)),
        ("the potter pushed the ranger .", "the ranger pushed the potter .", (1.0, 0.0, 0.0)),
        ("A dog ran", "Nobody didn't run", (0.0, 0.0, 1.0)),
        ("A dog", "", (0.0, 0.0, 0.0)),
        ("I know it is notable", "It is notable.", (1.0, 1.0, 0.0)),
        ("another", "an other", (0.0, 0.0, 0.0)),
    ],
)
def test_markers_of_pairs(first: str, second: str, expected: tuple[float, float, float]) -> None:
    assert tuple(marker(first, second) for marker in markers.MARKERS.values()) == expected


def test_a_list_of_choices_stands_for_the_right_one() -> None:
    config = artefacts.Config(first="question", second="choices")
    values = {"question": "where do cats sleep", "choices": '["in a box", "where cats sleep"]', "label": "1"}
    assert artefacts.markers(values, config)["word overlap"] == 1.0
    assert artefacts.markers({**values, "label": "0"}, config)["word overlap"] == 0.0


def test_draws_of_random_neurons_are_averaged_within_a_query() -> None:
    rows = [
        {"query": q, "method": f"random#{draw}", "mode": "keep", "r": 1, "used": 1, "unchanged": stays, "drop": 0.5}
        for q, draws in (("a", (True, False)), ("b", (True, True)))
        for draw, stays in enumerate(draws)
    ]
    table = faithfulness.summary(rows, seed=0)
    assert [(row["method"], row["measure"], row["mean"], row["n"]) for row in table] == [
        ("random", "unchanged", 0.75, 2),
        ("random", "drop", 0.5, 2),
    ]


def test_every_method_gets_every_size_and_no_neuron_is_asked_once() -> None:
    made = faithfulness.interventions({"na": [(0, 1), (0, 2)], "random#0": [(1, 1), (1, 2)], "none": []}, [0, 1, 2])
    names = [(each.mode, each.name, len(each.neurons or ())) for each in made]
    assert names.count(("suppress", "any|0", 0)) == names.count(("keep", "any|0", 0)) == 1
    assert ("keep", "random#0|2", 2) in names
    assert not [name for name in names if name[1].startswith("none")]
    assert len(names) == 2 + 2 * 2 * 2


def test_overlap_is_a_share_of_the_first() -> None:
    lists = {"a": {"q": [1, 2, 3, 4]}, "b": {"q": [3, 4]}}
    found = {(row["a"], row["b"]): row["mean"] for row in overlap.pairs(lists, ["q"], 0)}
    assert found == {("a", "b"): 0.5, ("b", "a"): 1.0}
    assert overlap.unique({"a": {"p": [1, 2], "q": [2, 3]}}, ["p", "q"], 0)[0]["unique"] == 3
    assert overlap.layers({"na": {"q": [(0, 1), (2, 5), (2, 6)]}}, 3) == [
        {"method": "na", "layer": 0, "share": 0.3333333, "n": 1},
        {"method": "na", "layer": 1, "share": 0.0, "n": 0},
        {"method": "na", "layer": 2, "share": 0.6666667, "n": 2},
    ]


def test_methods_that_rank_alike_correlate_and_absent_instances_are_last() -> None:
    found = {"a": np.array([[3.0, 2.0, 1.0]]), "b": np.array([[9.0, 8.0, np.nan]]), "c": np.array([[1.0, 2.0, 3.0]])}
    rho = {(row["a"], row["b"]): row["rho"] for row in correlations(found, ["q"])}
    assert rho == pytest.approx({("a", "b"): 1.0, ("a", "c"): -1.0, ("b", "c"): -1.0})


def test_scores_that_are_the_data_model_have_an_lds_of_one() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(3, 40)).astype(np.float32)
    halves = [np.sort(rng.permutation(40)[:20]) for _ in range(30)]
    losses = np.stack([-scores[:, half].sum(1) for half in halves])
    assert lds.correlations(scores, halves, losses) == pytest.approx(np.ones(3))
    assert lds.correlations(-scores, halves, losses) == pytest.approx(-np.ones(3))


def test_a_subset_is_compared_with_random_ones_of_its_size_on_the_same_tests() -> None:
    subset = finetune_subsets.Subset
    rows = np.arange(2)
    subsets = [subset("random", "", 0.5, 0, rows), subset("random", "", 0.5, 1, rows), subset("ia", "most", 0.5, 0, rows)]
    right = {0: np.array([True, False]), 1: np.array([False, False]), 2: np.array([True, True])}
    found = {(row["method"], row["measure"]): row["mean"] for row in finetune_subsets.summary(subsets, right, 0)}
    assert found == {
        ("random", "accuracy"): 0.25, ("ia", "accuracy"): 1.0, ("ia", "above random"): 0.75, ("ia", "above draws"): 0.75,
    }  # fmt: skip


def test_a_known_share_of_labels_gets_another_one() -> None:
    labels = {f"t{at}": at % 3 for at in range(50)}
    flips = mislabel.flipped(labels, dict.fromkeys(labels, 3), 0.2, seed=1)
    assert len(flips) == 10
    assert all(0 <= new < 3 and new != labels[one] for one, new in flips.items())
    assert flips == mislabel.flipped(labels, dict.fromkeys(labels, 3), 0.2, seed=1)


def test_a_signal_that_tells_wrong_labels_has_an_auc_of_one() -> None:
    wrong = np.array([True, False, True, False, False])
    rows = mislabel.figures("loss", np.array([5.0, 1.0, 4.0, 2.0, 3.0]), wrong, 0)
    assert [(row["measure"], row["mean"]) for row in rows] == [("auc", 1.0), ("precision", 1.0)]


def test_diversity_is_that_of_the_best_ranked_and_its_interval_holds_it() -> None:
    rng = np.random.default_rng(0)
    losses = rng.uniform(0, 1, 200)
    states = rng.normal(size=(200, 8)).astype(np.float32)
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    words = tuple(np.array([at % 50, 50 + at % 7]) for at in range(200))
    described = diversity.Described(states, losses, np.full(200, 9.0), words, 57)
    ranks = ranks_of(rng.normal(size=(30, 200)) - losses)  # every query has an easy instance rather first
    rows = {row["measure"]: row for row in diversity.measured(described, ranks, 20, 0, "m")}
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


def test_one_answer_to_all_tests_is_right_on_the_most_frequent_label() -> None:
    assert finetune_subsets.majority([0, 1, 1, 2]) == {"majority": 0.5}
    assert finetune_subsets.majority([None, None]) == {}
