"""Answers as JSON lines and as tables."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from attridex.client.output import answer_lines, show_answer
from attridex.v1.answers import (
    Answer,
    Info,
    InstanceHit,
    InstancesAnswer,
    InstancesResult,
    InterventionResult,
    NeuronsAnswer,
    NeuronScore,
    NeuronsResult,
    PredictAnswer,
    Prediction,
    PredictResult,
)
from attridex.v1.requests import Neuron

INFO = Info("mine", "3", "grad-dot", "positive helps", "a dot product", label="gold")
SAID = Prediction("yes", "no", 0.5, {"yes": 0.75, "no": 0.25})
TARGET = Prediction("", "a target", 0.5, {}, greedy="[a reply]")
HIT = InstanceHit(1, "t3", 3, 0.5, {"premise": "a [bold] dog [/INST]", "loss": 0.25, "genre": None})
NEURON = NeuronScore(2, 7, 0.125)
THROUGH = NeuronScore(2, 8, 0.25, ("t3",))
EDITED = InterventionResult("keep 2-7", "keep", "no", {"yes": 0.25, "no": 0.75}, (Neuron(2, 7),))
INSTANCES = InstancesAnswer(INFO, (InstancesResult("q", SAID, (HIT,), (NEURON,)), InstancesResult("r", TARGET, ())))
NEURONS = NeuronsAnswer(INFO, (NeuronsResult("q", None, (NEURON, THROUGH)),))
PREDICTED = PredictAnswer(INFO, (PredictResult("q", SAID, (EDITED,)), PredictResult("r", SAID, ())))
TAIL = {"sign": "positive helps", "scale": "a dot product", "label": "gold", "index_version": "3", "exact": True}


def test_lines_of_instances() -> None:
    first, second = answer_lines(INSTANCES)
    hit = {"rank": 1, "id": "t3", "score": 0.5, "premise": "a [bold] dog [/INST]", "loss": 0.25, "genre": None}
    neurons = [{"layer": 2, "unit": 7, "score": 0.125}]
    head = {"query": "q", "predicted": "yes", "method": "grad-dot"}
    assert list(first.items()) == list({**head, "hits": [hit], "neurons": neurons, **TAIL}.items())
    assert second == {
        "query": "r",
        "predicted": None,
        "method": "grad-dot",
        "greedy": "[a reply]",
        "target": "a target",
        "hits": [],
        **TAIL,
    }


def test_lines_of_neurons_name_the_instances_that_gave_them() -> None:
    (line,) = answer_lines(NEURONS)
    assert line["predicted"] is None
    assert line["neurons"] == [
        {"layer": 2, "unit": 7, "score": 0.125}, {"layer": 2, "unit": 8, "score": 0.25, "instances": ["t3"]},
    ]  # fmt: skip


def test_probabilities_of_a_line_are_those_of_the_last_intervention() -> None:
    edited, plain = answer_lines(PREDICTED)
    assert (edited["probabilities"], edited["probabilities_of"]) == ({"yes": 0.25, "no": 0.75}, "keep 2-7")
    assert (plain["probabilities"], plain["probabilities_of"]) == ({"yes": 0.75, "no": 0.25}, "baseline")
    assert edited["predicted"] == plain["predicted"] == "yes"
    assert edited["interventions"][0]["neurons"] == [[2, 7]]


def test_damping_and_recall_stand_in_a_line_only_where_they_are() -> None:
    info = Info("mine", "3", "influence", "s", "f", exact=False, recall=0.95, curvature="fisher", damping=0.5, structure="ivf")
    (line,) = answer_lines(NeuronsAnswer(info, (NeuronsResult("q", None, ()),)))
    assert (line["curvature"], line["damping"], line["structure"], line["recall"]) == ("fisher", 0.5, "ivf", 0.95)


@pytest.mark.parametrize(
    ("answer", "parts"),
    [
        (INSTANCES, ["q predicted yes", "what was asked", "a [bold] dog [/INST]", "r predicted [a reply]", "no instance"]),
        (NEURONS, ["1 instances name 2 distinct neurons", "0.125"]),
        (PREDICTED, ["baseline", "0.750", "keep 2-7"]),
    ],
)
def test_tables_show_the_same_to_people(answer: Answer, parts: list[str]) -> None:
    console: Any = Console(file=StringIO(), width=120)
    show_answer(console, answer, {"q": "what was asked"})
    shown = " ".join(console.file.getvalue().split())
    assert [part for part in [*parts, "grad-dot: positive helps; a dot product"] if part not in shown] == []


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_brief_table_has_a_line_for_each_instance_and_fits_the_terminal(width: int) -> None:
    fields = {"genre": "a genre", "premise": "a [bold] dog\nran " * 30, "label": "a label " * 9, "loss": 0.5, "text": None}
    hits = tuple(InstanceHit(rank, f"train-{rank}", rank, 0.5, fields) for rank in range(1, 5))
    console: Any = Console(file=StringIO(), width=width)
    show_answer(console, InstancesAnswer(INFO, (InstancesResult("q", None, hits),)), {}, brief=True)
    lines = console.file.getvalue().splitlines()[2:]
    assert lines[0].split() == ["rank", "score", "instance", "label", "premise"]
    assert [line.split()[:3] for line in lines[1:5]] == [[str(rank), "0.5", f"train-{rank}"] for rank in range(1, 5)]
    assert max(map(len, lines[:5])) <= width
    assert all(line.rstrip().endswith("…") and "a [bold] dog"[: width // 10] in line for line in lines[1:5])


def test_a_brief_table_without_texts_or_labels_is_still_one() -> None:
    console: Any = Console(file=StringIO(), width=80)
    results = (InstancesResult("q", None, (InstanceHit(1, "t1", 1, 0.5, {"loss": 0.5}),)), InstancesResult("r", None, ()))
    show_answer(console, InstancesAnswer(INFO, results), {}, brief=True)
    shown = console.file.getvalue()
    assert "1     0.5    t1" in shown
    assert "no instance" in shown
