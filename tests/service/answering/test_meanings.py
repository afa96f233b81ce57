"""What an answer says of itself, for every task, on the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Ran, records, write_jsonl


@pytest.fixture
def queries(tmp_path: Path) -> Path:
    """Queries of any task."""
    return write_jsonl(tmp_path / "queries.jsonl", [{**row, "id": f"q{row['id']}"} for row in records(4)])


@pytest.fixture
def asked(
    indexed: Callable[..., Path], served_at: Callable[[Path], str], queries: Path, attridex: Callable[..., Ran]
) -> Callable[..., Ran]:
    """Ask an index of a task."""

    def ask(task: str, *command: str) -> Ran:
        where = ("--server", served_at(indexed("gpt2", 12, task) / "index"))
        return attridex(*command, *where, "--queries", queries, "--limit", "1")

    return ask


@pytest.mark.parametrize("task", ["sequence-classification", "multiple-choice", "causal-lm"])
def test_json_lines_say_sign_scale_and_whose_label(asked: Callable[..., Ran], task: str) -> None:
    line = asked(task, "query", "ia", "--json").lines[0]
    assert line["sign"] == "higher = the training instance lowers the query's loss more"
    assert line["scale"].startswith("<g_query, g_train>")
    assert line["label"] == "gold"
    assert "greedy" not in line or task == "causal-lm"


@pytest.mark.parametrize(
    "command",
    [("query", "na"), ("query", "na", "--method", "activation-gradient"), ("query", "ia-neurons"), ("predict",)],
    ids=" ".join,
)
def test_a_language_model_s_answers_are_about_its_target(asked: Callable[..., Ran], command: tuple[str, ...]) -> None:
    line = asked("causal-lm", *command, "--json").lines[0]
    words = f"{line['sign']} {line['scale']}".lower()
    assert "target" in words
    assert "predicted" not in words
    assert "softmax" not in words
    words = json.dumps([asked("causal-lm", "query", "na-instances", "--json").lines[0][key] for key in ("sign", "scale")])
    assert "predicted" not in words


def test_a_language_model_has_no_predicted_label_to_ask_for(asked: Callable[..., Ran]) -> None:
    ran = asked("causal-lm", "query", "ia", "--label", "predicted")
    assert ran.code == 2
    assert "causal-lm has no predicted label" in ran.err


def test_a_table_shows_texts_and_whole_scores_and_says_damping(asked: Callable[..., Ran]) -> None:
    shown = asked("sequence-classification", "query", "ia", "--k", "3").out
    assert "self_influence" not in shown
    assert "…" not in shown


def test_neurons_that_instances_share_are_counted(asked: Callable[..., Ran]) -> None:
    ran = asked("sequence-classification", "query", "ia-neurons", "--instances", "12", "--json")
    neurons = ran.lines[0]["neurons"]
    assert len(neurons) < 12
    shown = asked("sequence-classification", "query", "ia-neurons", "--instances", "12").out
    named = sum(len(neuron["instances"]) for neuron in neurons)
    assert " ".join(shown.split()).count(f"{named} instances name {len(neurons)} distinct neurons")


def test_summed_neurons_count_the_instances_that_name_them_once(asked: Callable[..., Ran]) -> None:
    ask = ("query", "ia-neurons", "--instances", "4", "--aggregate", "summed")
    neurons = asked("sequence-classification", *ask, "--json").lines[0]["neurons"]
    named = {identity for neuron in neurons for identity in neuron["instances"]}
    assert sum(len(neuron["instances"]) for neuron in neurons) > len(named)
    shown = " ".join(asked("sequence-classification", *ask).out.split())
    assert f"{len(named)} instances name {len(neurons)} distinct neurons" in shown


def test_columns_come_in_the_order_that_was_asked_for(asked: Callable[..., Ran]) -> None:
    for fields in ("premise,label,hypothesis", "label,hypothesis,premise"):
        ran = asked("sequence-classification", "query", "ia", "--fields", fields, "--json")
        assert [name for name in ran.lines[0]["hits"][0] if name in fields] == fields.split(",")


def test_no_hit_is_said(asked: Callable[..., Ran]) -> None:
    assert "no instance" in asked("sequence-classification", "query", "ia", "--where", "id = 'nope'").out


def test_a_prediction_says_whose_its_probabilities_are(asked: Callable[..., Ran]) -> None:
    plain = asked("sequence-classification", "predict", "--json").lines[0]
    assert (plain["probabilities_of"], plain["probabilities"]) == ("baseline", plain["baseline"])
    edited = asked("sequence-classification", "predict", "--suppress", "na:2", "--keep", "na:0", "--json").lines[0]
    assert edited["probabilities_of"] == edited["interventions"][-1]["name"] == "keep na:0"
    assert edited["probabilities"] == edited["interventions"][-1]["probabilities"]
    assert edited["predicted"] == plain["predicted"]


def relabel(queries: Path, label: str | None) -> None:
    """Give the first query another label, and drop the others."""
    record = json.loads(queries.read_text().splitlines()[0])
    queries.write_text(json.dumps({**record, "label": label}) + "\n")


@pytest.mark.parametrize(
    "command",
    [("query", "na"), ("query", "na-instances"), ("query", "ia", "--label", "predicted"), ("predict", "--suppress", "na:2")],
    ids=" ".join,
)
def test_a_label_that_the_model_does_not_have_harms_only_what_uses_it(
    asked: Callable[..., Ran], queries: Path, command: tuple[str, ...]
) -> None:
    lines = []
    for label in ("non-entailment", None):
        relabel(queries, label)
        ran = asked("sequence-classification", *command, "--json")
        assert ran.code == 0, ran.err
        lines.append(ran.lines[0])
    assert lines[0] == lines[1]


@pytest.mark.parametrize(
    "command", [("query", "ia"), ("query", "ia-neurons"), ("predict", "--suppress", "ia:grad-dot:2")], ids=" ".join
)
def test_a_label_that_the_model_does_not_have_is_refused_where_its_loss_is_asked_for(
    asked: Callable[..., Ran], queries: Path, command: tuple[str, ...]
) -> None:
    relabel(queries, "non-entailment")
    ran = asked("sequence-classification", *command)
    assert ran.code == 2
    assert "label 'non-entailment' is none of the model's outputs" in ran.err


def test_a_job_whose_file_was_removed_may_be_another(asked: Callable[..., Ran], tmp_path: Path) -> None:
    out = tmp_path / "found.jsonl"
    assert asked("sequence-classification", "query", "ia", "--out", str(out)).code == 0
    assert asked("sequence-classification", "query", "ia", "--k", "3", "--out", str(out)).code == 2
    out.unlink()
    assert asked("sequence-classification", "query", "ia", "--k", "3", "--out", str(out)).code == 0
    assert len(json.loads(out.read_text())["hits"]) == 3


def test_an_intervention_is_called_one(asked: Callable[..., Ran]) -> None:
    ran = asked("sequence-classification", "predict", "--suppress", "9-1")
    assert ran.code == 2
    assert "intervention 'suppress 9-1': neuron 9-1: there are 3 layers" in ran.err
