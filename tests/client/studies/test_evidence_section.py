import json
from pathlib import Path

from attridex.client.figures.palette import Palette
from attridex.client.studies.evidence_section import as_text, evidence_section, shown_record
from tests.client.report.made import TEXTS, made_result


def test_a_record_is_texts_a_label_marks_and_the_rest() -> None:
    record = {"premise": "a dog", "label": 1, "flipped": True, "kept_back": False, "part": "x", "loss": 0.12345}
    shown = shown_record(record, ["premise"])
    assert (shown.label, shown.texts, shown.marks) == ("1", (("premise", "a dog"),), ("flipped",))
    assert shown.others == "part: x; loss: 0.123"
    assert as_text(["a", 0.5]) == "0 a | 1 0.5"


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
