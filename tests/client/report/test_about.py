from pathlib import Path

from attridex.client.report.about import described_methods, gradient_words, neuron_words, query_words, run_again, run_facts
from tests.client.report.made import ABOUT, made_result


def test_the_head_says_what_was_studied(tmp_path: Path) -> None:
    found = dict(run_facts({"lds": made_result(tmp_path, "lds")}))
    assert found["Model"] == "tiny-opt (3 layers, 101 FFN units each)"
    assert found["Task"] == "sequence classification: yes, no"
    assert found["Gradients"] == "of head; not projected; labels: gold; curvature: Fisher"
    assert found["Neurons"].startswith("site post (what the FFN")
    assert "Limit" not in found


def test_queries_are_counted_by_studies_of_all_of_them(tmp_path: Path) -> None:
    lds = made_result(tmp_path / "a", "lds", facts={"queries": 3})
    assert query_words({"lds": lds}) == "up to 4; gradients of the predicted label\u2019s loss"
    assert query_words({"lds": lds, "overlap": made_result(tmp_path / "b", "overlap")}).startswith("4; ")


def test_an_index_without_neurons_or_gradients_says_so(tmp_path: Path) -> None:
    result = made_result(tmp_path, "lds", index={**ABOUT["index"], "neurons": {"enabled": False}})
    assert neuron_words(result.index) == "none in this index"
    assert gradient_words({}) == ""


def test_methods_are_named_once_those_of_neurons_last(tmp_path: Path) -> None:
    words = {name: {"sign": "s", "scale": name} for name in ("ia-neurons/x", "x", "na")}
    found = described_methods({"lds": made_result(tmp_path, "lds", methods=words)})
    assert [each.name for each in found] == ["x", "na", "ia-neurons/x"]


def test_a_run_can_be_run_again_from_what_is_said(tmp_path: Path) -> None:
    titles = [title for title, _ in run_again({"diversity": made_result(tmp_path, "diversity")})]
    assert titles == ["Fingerprints", "Settings shared by all studies", "Settings of diversity", "Versions"]
