import html
import itertools
import json
import re
from pathlib import Path

import pytest

from attridex.client.errors import UsageError
from attridex.client.figures.numbers import interval, number
from attridex.client.figures.palette import BASELINES, LOOKS
from attridex.client.report.page import write_report
from tests.client.report.made import PAGE, made_tables, measured, write_results


def read_page(results: Path) -> str:
    return write_report(results).read_text(encoding="utf-8")


def said(page: str) -> str:
    """What a page says: its text, without tags."""
    return html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.S)))


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of all studies, with their report."""
    results = write_results(tmp_path_factory.mktemp("report") / "studies")
    write_report(results)
    return results


@pytest.fixture(scope="module")
def page(full: Path) -> str:
    return (full / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("study", PAGE)
def test_every_number_of_the_tables_can_be_read_in_the_page(page: str, study: str) -> None:
    text = said(page)
    rows = [row for rows in made_tables(measured())[study].values() for row in rows]
    wanted = [interval(row) for row in rows if "mean" in row]
    wanted += [
        number(row[key]) for row in rows for key in ("unique", "share", "used", "probability", "loss", "score") if key in row
    ]
    assert wanted, "the study measures something"
    assert not [each for each in wanted if each not in text], "missing in the page"


def test_the_page_needs_no_other_file_and_no_script(page: str) -> None:
    addresses = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"'\s>)]+)""", page)
    assert addresses
    assert not [each for each in addresses if not each.startswith(("#", "data:"))]
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page


def test_links_inside_the_page_have_their_target_and_ids_are_unique(page: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)


def test_headings_go_down_one_level_at_a_time(page: str) -> None:
    levels = [int(level) for level in re.findall(r"<h(\d)", page)]
    assert levels[0] == 1
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(levels))


def test_figures_have_words_and_tables_have_captions_and_scopes(page: str) -> None:
    images, tables = re.findall(r"<img [^>]*>", page), re.findall(r"<table.*?</table>", page, flags=re.S)
    assert len(images) == 9, "overlap has two"
    assert all(re.search(r'alt="[^"]{20,}"', image) for image in images)
    assert all("<caption" in table for table in tables)
    assert all("scope=" in head for table in tables for head in re.findall(r"<th[^e][^>]*>|<th>", table))


def test_texts_are_escaped(page: str) -> None:
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; a cat" in page


def test_evidence_shows_label_marks_and_what_an_edit_changes(page: str) -> None:
    text = re.sub(r"\s+", " ", said(page))
    assert "top neuron suppressed 0.413 \u22120.319 yes" in text
    assert "predicted neutral with P = 0.732 , gold no right" in text.replace("0.732,", "0.732 ,"), "neutral stands for no here"
    assert "t1 6.13 yes flipped premise a dog" in text


def test_figures_are_written_as_svg_and_png(full: Path) -> None:
    names = {path.name for path in (full / "figures").iterdir()}
    assert names == {f"{name}.{kind}" for kind in ("svg", "png") for name in [*PAGE[:-1], "overlap-layers"]}


def test_the_same_results_give_the_same_bytes(full: Path, tmp_path: Path) -> None:
    again = write_report(write_results(tmp_path / "again"), tmp_path / "elsewhere" / "page.html")
    assert again.read_bytes() == (full / "report.html").read_bytes()
    for path in (full / "figures").iterdir():
        assert (again.parent / "figures" / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_missing_study_says_so_in_one_line(tmp_path: Path) -> None:
    page = read_page(write_results(tmp_path, ("lds",)))
    assert page.count("Not part of these results") == len(PAGE) - 1
    assert "attridex study faithfulness" in page
    assert page.count("<img ") == 1


def test_missing_texts_are_said_once_and_ids_shown(tmp_path: Path) -> None:
    page = read_page(write_results(tmp_path, ("evidence",), texts=None))
    assert page.count("Texts are not part of these results") == 1
    assert ">t1<" in page


def test_a_study_that_found_nothing_has_its_notes_alone(tmp_path: Path) -> None:
    results = write_results(tmp_path, ("artefacts",))
    path = results / "artefacts" / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "tables": {}, "notes": ["nothing to look behind"]}))
    page = read_page(results)
    assert "Nothing to look behind." in page
    assert "<img " not in page


def test_what_is_not_defined_is_none_in_tables_and_no_bar(tmp_path: Path) -> None:
    results = write_results(tmp_path, ("lds",))
    path = results / "lds" / "result.json"
    known = json.loads(path.read_text())
    known["tables"]["lds"][0].update(mean=None, low=None, high=None)
    path.write_text(json.dumps(known))
    assert "<td>none</td>" in read_page(results)


def test_no_results_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no results of a study"):
        write_report(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_a_file_that_is_no_result_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "lds").mkdir()
    (tmp_path / "lds" / "result.json").write_text(content)
    with pytest.raises(UsageError, match=r"lds/result\.json"):
        write_report(tmp_path)


def test_a_long_text_is_whole_but_folded(tmp_path: Path) -> None:
    text = " ".join(f"word{n}" for n in range(100))
    page = read_page(write_results(tmp_path, ("evidence",), texts={"query q1": {"premise": text}}))
    folded = re.search(r'<details class="text">(.*?)</details>', page, re.S)
    assert folded is not None
    assert re.sub(r"[\s\u2026]+", " ", said(folded[1])).strip() == f"premise {text}"


def test_choices_are_shown_with_the_numbers_that_labels_name_them_by(tmp_path: Path) -> None:
    page = read_page(write_results(tmp_path, ("evidence",), texts={"query q1": {"premise": ["doctor", "bookstore"]}}))
    assert "premise 0 doctor | 1 bookstore" in " ".join(said(page).split())


def test_a_method_of_a_stranger_is_drawn_and_named(tmp_path: Path) -> None:
    results = write_results(tmp_path, ("lds",))
    path = results / "lds" / "result.json"
    known = json.loads(path.read_text())
    for row in known["tables"]["lds"]:
        row["method"] = row["method"].replace("grad-dot", "toy/own")
    known["method_details"] = [
        {"name": name, "summary": "", "sign": "", "scale": "", "settings": [], "sources": [], "missing": "", "compared": True,
         "baseline": baseline}
        for name, baseline in (("first", False), ("toy", False), ("random", True))
    ]  # fmt: skip
    path.write_text(json.dumps(known))
    assert '<th scope="row">toy (own)</th>' in read_page(results)
    drawn = (results / "figures" / "lds.svg").read_text()
    assert LOOKS[1].colour.lower() in drawn
    assert BASELINES[0].colour.lower() in drawn
