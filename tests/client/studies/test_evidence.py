from attridex.client.studies.evidence import answer_lines, neuron_lines, without_id
from attridex.v1.answers import (
    InterventionResult,
    NeuronsAnswer,
    NeuronScore,
    NeuronsResult,
    PredictAnswer,
    Prediction,
    PredictResult,
)
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


def test_neurons_are_lists_and_a_record_is_shown_without_its_id() -> None:
    answer = NeuronsAnswer(INFO, (NeuronsResult("q", None, (NeuronScore(1, 5, 0.5),)),))
    assert list(neuron_lines(answer)) == [{"query": "q", "neurons": [[1, 5, 0.5]]}]
    assert without_id({"id": "q", "text": "a"}) == {"text": "a"}
