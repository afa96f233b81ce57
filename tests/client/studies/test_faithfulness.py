from pathlib import Path

from attridex.client.studies import faithfulness
from attridex.client.studies.faithfulness import NeuronSet
from attridex.v1.answers import InterventionResult, PredictAnswer, Prediction, PredictResult
from attridex.v1.requests import Neuron
from tests.client.workbench.made import INFO, made_context


def test_draws_of_random_neurons_are_averaged_within_a_query() -> None:
    found = [
        faithfulness.EditOutcome(q, f"random#{draw}", "keep", 1, used=1, unchanged=stays, drop=0.5)
        for q, draws in (("a", (True, False)), ("b", (True, True)))
        for draw, stays in enumerate(draws)
    ]
    table = faithfulness.faithfulness_table(found, seed=0)
    assert [(row["method"], row["measure"], row["mean"], row["n"]) for row in table] == [
        ("random", "unchanged", 0.75, 2),
        ("random", "drop", 0.5, 2),
    ]


def sets() -> list[NeuronSet]:
    """Those of a method, a draw of random ones, and of a method that names none."""
    named = [Neuron(0, 1), Neuron(0, 2)]
    return [NeuronSet("na", named), NeuronSet("random", named, 0), NeuronSet("none", [])]


def test_every_method_gets_every_size_and_no_neuron_is_asked_once() -> None:
    made = [edit.intervention for edit in faithfulness.edits_of(sets(), [0, 1, 2])]
    names = [(each.mode, each.name, len(each.neurons or ())) for each in made]
    assert names.count(("suppress", "any|0", 0)) == names.count(("keep", "any|0", 0)) == 1
    assert ("keep", "random#0|2", 2) in names
    assert not [name for name in names if name[1].startswith("none")]
    assert len(names) == 2 + 2 * 2 * 2


def test_answers_belong_to_the_edits_in_their_order() -> None:
    edits = faithfulness.edits_of(sets()[:1], [0, 1])
    base = Prediction("yes", "yes", 0.1, {"yes": 0.75, "no": 0.25})
    edited = [
        InterventionResult("", edit.mode, "no" if edit.r else "yes", {"yes": 0.5, "no": 0.5}, edit.intervention.neurons or ())
        for edit in edits
    ]
    answer = PredictAnswer(INFO, (PredictResult("q", base, tuple(edited)),))
    (line,) = faithfulness.edited_lines(answer, {"q": edits})
    assert [(row["method"], row["mode"], row["r"], row["used"], row["unchanged"]) for row in line["edits"]] == [
        ("any", "suppress", 0, 0, True),
        ("any", "keep", 0, 0, True),
        ("na", "suppress", 1, 1, False),
        ("na", "keep", 1, 1, False),
    ]
    assert {row["drop"] for row in line["edits"]} == {0.25}


def test_random_neurons_are_drawn_for_each_query_by_its_id(tmp_path: Path) -> None:
    context = made_context(tmp_path, lambda request: request)
    first, other = (list(faithfulness.random_sets(context, query, 9, 2)) for query in ("q0", "q1"))
    assert [each.name for each in first] == ["random#0", "random#1"]
    assert first == list(faithfulness.random_sets(context, "q0", 9, 2)) != other
    assert len(set(first[0].neurons)) == 9


def test_a_method_that_names_too_few_is_said_so() -> None:
    found = [faithfulness.EditOutcome("q", "na", "keep", r, used=1, unchanged=True, drop=0.0) for r in (1, 5)]
    assert faithfulness.short_sets(found) == ["na names fewer than 5 neurons for some queries: 1.0 on average at r = 5"]
    assert faithfulness.short_sets(found[:1]) == []
