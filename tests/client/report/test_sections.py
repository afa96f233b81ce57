from pathlib import Path

import pytest

from attridex.client.figures.palette import Palette
from attridex.client.report.sections import as_sentence, section_of, sizes_of
from attridex.client.studies.registry import studies
from tests.client.report.made import made_result

PALETTE = Palette.of(())


def test_a_note_is_a_sentence_that_begins_with_a_name_for_readers() -> None:
    assert as_sentence("na names fewer") == "NA names fewer."
    assert as_sentence("ia-neurons/influence/fisher names fewer.") == "IA-Neurons: influence (Fisher) names fewer."
    assert as_sentence("for na-instances it is so") == "For na-instances it is so."


def test_facts_are_one_line_and_those_without_words_are_named() -> None:
    lds = studies()["lds"]
    line = sizes_of(lds, {"queries": 3, "halves": 2, "queries_hash": "ab", "own_count": 5})
    assert line == "3 queries; 2 random halves; own count: 5"


def test_a_study_that_is_not_done_has_no_contents() -> None:
    found = section_of(studies()["lds"], None, PALETTE)
    assert not found.done
    assert found.contents.pictures == found.contents.tables == ()


@pytest.mark.parametrize("name", ["lds", "overlap"])
def test_a_study_of_a_model_that_has_not_learned_says_so_everywhere(name: str, tmp_path: Path) -> None:
    fit = {"measure": "right", "model": 0.34, "baseline": 0.335, "counted": 1500, "majority": "neutral"}
    words = "the model does no better than always 'neutral'"
    found = section_of(studies()[name], made_result(tmp_path, name, facts={"queries": 4, "k": 10, "r": 10, "fit": fit}), PALETTE)
    assert found.contents.pictures
    assert found.contents.tables
    for picture in found.contents.pictures:
        assert picture.figure.get_supxlabel().splitlines()[-1] == words
        assert picture.caption.endswith(f"The{words[3:]}.")
    assert all(table.caption.endswith(words) for table in found.contents.tables)
    assert found.notes[0] == f"The{words[3:]}."
    assert "34.0% of 1,500 labels" in found.sizes


def test_markers_of_the_artefacts_are_explained(tmp_path: Path) -> None:
    found = section_of(studies()["artefacts"], made_result(tmp_path, "artefacts"), PALETTE)
    assert found.notes == ("A note of the study.", "Word overlap: the share of the second text\u2019s words that the first has.")
