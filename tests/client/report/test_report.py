import html
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from attridex.client.errors import UsageError
from attridex.client.figures.neuron_map import LEFT, RIGHT, WIDTH, Frame, Neuron, neuron_map
from attridex.client.figures.numbers import MINUS, count, interval, number
from attridex.client.figures.palette import look
from attridex.client.figures.tables import Axis, pivot, shade
from attridex.client.figures.words import STUDIES, TITLES, method_name
from attridex.client.report import contents
from attridex.client.report.page import write_report
from attridex.client.report.sections import note

Row = dict[str, Any]
METHODS = ("grad-dot", "random", "na-instances")
NEURON_METHODS = ("na", "ia-neurons/grad-dot")
ABOUT: dict[str, Any] = {
    "seed": 3, "limit": None, "common": {"queries": 4, "methods": [], "label": "predicted", "same": {"no": ["neutral"]}},
    "queries": "fe" * 32, "versions": {"python": "3.11"}, "times": {"seconds": 1.5},
    "methods": {"na": {"sign": "higher = more", "scale": "a share"}}, "notes": ["a note of the study"],
    "index": {
        "version": "7", "instances": 1500, "task": "sequence-classification", "labels": ["yes", "no"], "model": "tiny-opt",
        "model_hash": "ab", "corpus": "cd", "layers": 3, "units": 101, "site": "post", "text_fields": ["premise"],
        "gradients": {"curvature": ["fisher"], "dim": 64, "label": "gold", "parameters": "head", "projection": None},
        "neurons": {"enabled": True, "rule": "riemann", "steps": 20},
    },
}  # fmt: skip
TEXTS: dict[str, Any] = {
    "query q1": {"premise": "<script>alert(1)</script> & a cat", "label": "no", "kind": "x"},
    "t1": {"premise": "a dog \"barks\" at 'it'", "label": "yes", "kind": "x", "flipped": True},
    "t2": {"premise": "a third text", "label": "no", "kind": "x", "flipped": False},
}


def measured() -> Iterator[Row]:
    """Means with intervals, all different."""
    for at in itertools.count():
        mean = round(0.101 + 0.00123 * at, 6)
        yield {"mean": mean, "low": round(mean - 0.0457, 6), "high": round(mean + 0.0331, 6), "n": 4}


def pairs(methods: tuple[str, ...], values: Iterator[Row], kind: Any = itertools.permutations) -> list[Row]:
    return [{"a": a, "b": b, **next(values)} for a, b in kind(methods, 2)]


def made_tables(values: Iterator[Row]) -> dict[str, dict[str, list[Row]]]:
    """Tables of all studies, as the studies make them."""
    edits = [("any", 0), *itertools.product((*NEURON_METHODS, "random"), (1, 10))]
    return {
        "faithfulness": {
            "faithfulness": [
                {"method": m, "mode": mode, "r": r, "measure": what, **next(values), "used": r * 0.871}
                for m, r in edits for mode in ("suppress", "keep") for what in ("unchanged", "drop")
            ]
        },
        "overlap": {
            "unique_instances": [{"method": m, "unique": 17 + at, **next(values)} for at, m in enumerate(METHODS)],
            "shared_instances": pairs(METHODS, values),
            "unique_top_neurons": [{"method": m, "unique": 41 + at, **next(values)} for at, m in enumerate(NEURON_METHODS)],
            "shared_neurons": pairs(NEURON_METHODS, values),
            "layers": [
                {"method": m, "layer": at, "share": 0.13 + 0.01 * at, "n": 51 + at} for m in NEURON_METHODS for at in range(3)
            ],
        },
        "diversity": {
            "diversity": [
                {"method": m, "measure": what, **next(values)}
                for m in (*METHODS, "random sets") for what in ("cosine", "loss", "distinct_words", "tokens")
            ]
        },
        "agreement": {
            "rank_correlation": pairs((*METHODS, "lissa/fisher"), values, itertools.combinations),
            "approximate": [
                {"method": "grad-cos", "structure": "ivf", "measure": what, **next(values)} for what in ("recall", "lost")
            ],
        },
        "artefacts": {
            "artefacts": [
                {"method": m, "marker": marker, **next(values), "n": 1500 if m == "whole corpus" else 4}
                for m in ("whole corpus", *METHODS) for marker in ("word overlap", "own_column")
            ]
        },
        "lds": {"lds": [{"method": m, "measure": what, **next(values)} for m in METHODS for what in ("lds", "above grad-dot")]},
        "mislabel": {
            "flipped": [
                {"method": m, "measure": what, **next(values)}
                for m in ("loss", "self_influence_fisher", "neighbours by na-instances") for what in ("auc", "precision")
            ]
        },
        "finetune-subsets": {
            "accuracy": [
                {"method": m, "end": end, "fraction": share, "measure": what, **next(values)}
                for m, end in (("random", ""), ("grad-dot", "most"), ("grad-dot", "least"))
                for share in (0.1, 0.5) for what in ("accuracy", "above random")
            ] + [{"method": "whole pool", "end": "", "fraction": 1.0, "measure": "accuracy", **next(values)}]
        },
        "evidence": {
            "pages": [{
                "query": "q1", "predicted": "neutral", "probability": 0.7321, "loss": 0.3117, "gold": "no",
                "edits": [{"name": "suppress 1", "predicted": "yes", "probability": 0.4129}],
            }],
            "hits": [
                {"query": "q1", "method": m, "rank": rank, "id": f"t{rank}", "score": 7.13 - rank}
                for m in METHODS for rank in (1, 2)
            ],
            "neurons": [{"query": "q1", "rank": 1, "layer": 2, "unit": 50, "score": 0.0123}],
        },
    }  # fmt: skip


FACTS: dict[str, Row] = {
    "overlap": {"queries": 4, "k": 10, "r": 10},
    "mislabel": {"instances": 1500, "wrong": 75},
    "evidence": {"queries": 1, "layers": 3, "units": 101},
}
CONFIGS: dict[str, Row] = {"diversity": {"share": 0.1}, "agreement": {"k": 10}}


def write_results(results: Path, names: tuple[str, ...] = STUDIES, texts: Any = TEXTS) -> Path:
    tables = made_tables(measured())
    for name in names:
        (results / name).mkdir(parents=True)
        result = {
            **ABOUT, "study": name, "title": TITLES[name], "tables": tables[name], "facts": FACTS.get(name, {"queries": 4}),
            "config": CONFIGS.get(name, {}),
        }  # fmt: skip
        (results / name / "result.json").write_text(json.dumps(result), encoding="utf-8")
    if texts and "evidence" in names:
        (results / "evidence" / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    return results


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


@pytest.mark.parametrize("study", STUDIES)
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
    assert names == {f"{name}.{kind}" for kind in ("svg", "png") for name in [*STUDIES[:-1], "overlap-layers"]}


def test_the_same_results_give_the_same_bytes(full: Path, tmp_path: Path) -> None:
    again = write_report(write_results(tmp_path / "again"), tmp_path / "elsewhere" / "page.html")
    assert again.read_bytes() == (full / "report.html").read_bytes()
    for path in (full / "figures").iterdir():
        assert (again.parent / "figures" / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_missing_study_says_so_in_one_line(tmp_path: Path) -> None:
    page = read_page(write_results(tmp_path, ("lds",)))
    assert page.count("Not part of these results") == len(STUDIES) - 1
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


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.98333, "0.983"), (1.0, "1"), (60, "60"), (1500, "1,500"), (12345.6, "12,346"), (-0.1281957, f"{MINUS}0.128"),
     (6.953875e-09, f"6.95e{MINUS}9"), (0, "0"), (None, "none"), (float("nan"), "none")],
)  # fmt: skip
def test_numbers_have_three_digits(value: Any, text: str) -> None:
    assert number(value) == text


def test_an_interval_stands_behind_its_mean() -> None:
    assert interval({"mean": 0.8204, "low": 0.7749, "high": 0.8561}) == "0.82 (0.775 to 0.856)"
    assert interval({"mean": 0.82, "low": None, "high": None}) == "0.82"
    assert count(1, "query") == "1 query"
    assert count(2, "query") == "2 queries"


def test_neurons_lie_at_their_layer_and_unit() -> None:
    frame = Frame(layers=3, units=101)
    assert (frame.x(0), frame.x(100)) == (LEFT, WIDTH - RIGHT)
    assert frame.x(50) == (LEFT + WIDTH - RIGHT) / 2
    assert frame.y(2) - frame.y(1) == frame.y(1) - frame.y(0) == frame.step
    drawn = neuron_map([Neuron(2, 50, 0.0123), Neuron(0, 0, -0.003)], 3, 101, "a <map>")
    assert f'cx="{frame.x(50)}" cy="{frame.y(2)}" r="8.0"' in drawn
    assert "<title>layer 2, unit 50: 0.0123</title>" in drawn
    assert 'class="hollow"' in drawn
    assert 'aria-label="a &lt;map&gt;"' in drawn


def test_a_number_of_units_is_told_once_where_it_is_one_and_by_row_where_not() -> None:
    rows = [{"method": m, "measure": "x", "mean": 0.5, "low": 0.4, "high": 0.6, "n": n} for m, n in (("a", 3), ("b", 4))]
    down, across = Axis("method", "method"), Axis("measure", "")
    mixed, one = pivot(rows, down, across, "T"), pivot(rows[:1], down, across, "T")
    assert mixed.columns == ("x", "n")
    assert [cells[1].text for _, cells in mixed.rows] == ["3", "4"]
    assert (one.caption, one.columns) == ("T; n = 3", ("x",))


def test_shades_tell_sign_and_size() -> None:
    assert shade({"mean": 1.0}) == "rgba(0, 114, 178, 0.50)"
    assert shade({"mean": -0.5}) == "rgba(213, 94, 0, 0.25)"
    assert shade({"mean": None}) == shade({"mean": 0.0}) == ""


def test_methods_have_their_names_and_one_look_everywhere() -> None:
    assert method_name("ia-neurons/influence/hessian") == "IA-Neurons: influence (Hessian)"
    assert method_name("self_influence_ekfac") == "self-influence (EK-FAC)"
    assert look("ia-neurons/grad-cos") == look("grad-cos") == look("neighbours by grad-cos")
    assert look("na") == look("na-instances")
    assert note("na names fewer") == "NA names fewer."


def test_a_long_text_is_whole_but_folded(tmp_path: Path) -> None:
    text = " ".join(f"word{n}" for n in range(100))
    page = read_page(write_results(tmp_path, ("evidence",), texts={"query q1": {"premise": text}}))
    folded = re.search(r'<details class="text">(.*?)</details>', page, re.S)
    assert folded is not None
    assert re.sub(r"[\s\u2026]+", " ", said(folded[1])).strip() == f"premise {text}"


def test_choices_are_shown_with_the_numbers_that_labels_name_them_by(tmp_path: Path) -> None:
    page = read_page(write_results(tmp_path, ("evidence",), texts={"query q1": {"premise": ["doctor", "bookstore"]}}))
    assert "premise 0 doctor | 1 bookstore" in " ".join(said(page).split())


def test_parts_of_one_size_are_dots_beside_the_band_of_random_ones() -> None:
    rows = [row for row in made_tables(measured())["finetune-subsets"]["accuracy"] if row["fraction"] != 0.1]
    (drawn,), tables = contents.finetune({"tables": {"accuracy": rows}})
    assert drawn.name == "finetune-subsets-one-size"
    (axes,) = drawn.figure.axes
    named = [label.get_text() for label in axes.get_yticklabels()]
    assert named == ["Most influential by grad-dot", "Least influential by grad-dot", "Whole pool"]
    assert len(tables) == 2
