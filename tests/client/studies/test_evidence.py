import json
from pathlib import Path

from attridex.client.figures.palette import Palette
from attridex.client.studies.evidence import answer_lines, evidence_section, neuron_lines
from attridex.v1.answers import (
    InterventionResult,
    NeuronsAnswer,
    NeuronScore,
    NeuronsResult,
    PredictAnswer,
    Prediction,
    PredictResult,
)
from tests.client.report.made import TEXTS, made_result
from tests.client.workbench.made import INFO


def test_a_line_holds_the_probability_of_what_was_said_under_each_edit() -> None:
    base = Prediction("yes", "yes", 0.5, {"yes": 0.75, "no": 0.25})
    edited = InterventionResult("keep 1", "keep", "no", {"yes": 0.25, "no": 0.75}, ())
    (line,) = answer_lines(PredictAnswer(INFO, (PredictResult("q", base, (edited,)),)))
    assert (line["predicted"], line["probability"], line["loss"]) == ("yes", 0.75, 0.5)
    assert line["edits"] == [{"name": "keep 1", "predicted": "no", "probability": 0.25}]


def test_a_language_model_said_what_it_would_have_said() -> None:
    base = Prediction("", " Paris", 0.5, {" Paris": 0.5}, greedy=" London")
    (line,) = answer_lines(PredictAnswer(INFO, (PredictResult("q", base, ()),)))
    assert (line["predicted"], line["probability"]) == (" London", 0.5)


def test_neurons_are_lists() -> None:
    answer = NeuronsAnswer(INFO, (NeuronsResult("q", None, (NeuronScore(1, 5, 0.5),)),))
    assert list(neuron_lines(answer)) == [{"query": "q", "neurons": [[1, 5, 0.5]]}]


def test_texts_are_read_beside_the_result_and_missed_where_they_are_not(tmp_path: Path) -> None:
    result = made_result(tmp_path, "evidence")
    found = evidence_section(result, Palette.of(()))
    (answer,) = found.shown["answers"]
    assert answer.record.texts == (("premise", TEXTS["query q1"]["premise"]),)
    assert answer.right, "neutral stands for no in this run"
    assert [method for method, _ in answer.found] == ["grad-dot", "random", "na-instances"]
    assert found.links == [("query-1-evidence", "q1")]
    (tmp_path / "evidence" / "texts.json").unlink()
    assert "Texts are not part of these results" in evidence_section(result, Palette.of(())).shown["missing"]
    (tmp_path / "evidence" / "texts.json").write_text(json.dumps({}))
    assert "missing" in evidence_section(result, Palette.of(())).shown
