"""Labels mean outputs by their names, the same in every kind of file; numbers are places only among outputs without numbers."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from attridex.indexer.config import load_config
from attridex.indexer.corpus.reading import rendered
from attridex.indexer.errors import InputError
from attridex.indexer.models.renderers import make_renderer
from attridex.indexer.outputs import moved_name, output_of
from tests.conftest import records, write_jsonl

STARS = ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("value", [2, 2.0, "2", " 2", "2.0", Decimal(2), Decimal("2.00")])
def test_a_number_that_names_an_output_is_that_output(value: Any) -> None:
    assert output_of(value, STARS) == 1
    assert output_of(value, ["1.0", "2.0", "3.0"]) == 1
    assert output_of(value, ["-1", "0", "2"]) == 2
    assert output_of(value, ["no", "yes", "maybe"]) == 2, "without numbers among the names it is a place"


@pytest.mark.parametrize("value", [0, "0", 6, -1, 1.5, "1.5", "02", "zwei", "", float("nan"), float("inf"), None, [1], True])
def test_what_no_output_is_named_is_no_output(value: Any) -> None:
    assert output_of(value, STARS) is None


@pytest.mark.parametrize("value", [-1, 3, "3", 1.5, "maybe", True, "true", "\u0662", "\u00b2", 1e300])
def test_a_number_beyond_the_outputs_is_none(value: Any) -> None:
    assert output_of(value, ["no", "yes"]) is None


def test_truth_values_are_names_however_they_are_spelled() -> None:
    for names in (["False", "True"], ["false", "true"]):
        assert [output_of(value, names) for value in (True, False, "true", "True", "TRUE", "False")] == [1, 0, 1, 1, 1, 0]
    assert output_of("true", ["True", "true"]) == 1, "the very spelling comes first"


def test_true_and_false_are_the_second_and_the_first_of_two_outputs_without_names_of_their_own() -> None:
    for names in (["LABEL_0", "LABEL_1"], ["0", "1"]):
        assert [output_of(value, names) for value in (True, False, "true", "False", " TRUE")] == [1, 0, 1, 0, 1]
        assert output_of(True, names, rendering=1) is None
    for names in (["LABEL_1", "LABEL_0"], ["LABEL_0", "LABEL_1", "LABEL_2"], ["no", "yes"], ["1", "2"], ["1", "0"]):
        assert output_of(True, names) is None


def test_an_old_index_reads_numbers_as_places_whatever_the_names_are() -> None:
    assert [output_of(value, STARS, rendering=1) for value in (1, "1", 1.0, "07", 5, "x", True)] == [
        1,
        0,
        1,
        None,
        None,
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("wanted", "own", "moved"),
    [
        (["a", "b"], ["a", "b"], None),
        (["b", "a"], ["a", "b"], "b"),
        (["B!", "A"], ["a", "b"], "B!"),
        (["entailment", "neutral", "other"], ["contradiction", "neutral", "entailment"], "entailment"),
        (["no", "yes"], ["LABEL_0", "LABEL_1"], None),
        (["LABEL_1", "LABEL_0"], ["LABEL_0", "LABEL_1"], "LABEL_1"),
        (["1", "2", "3"], ["0", "1", "2"], None),
        (["1", "0", "2"], ["0", "1", "2"], "1"),
        (["<5", ">5"], ["<5", ">5"], None),
        ([">5", "<5"], ["<5", ">5"], ">5"),
    ],
)
def test_a_models_own_names_keep_their_places(wanted: list[str], own: list[str], moved: str | None) -> None:
    assert moved_name(wanted, own) == moved


def in_every_format(directory: Path, rows: list[dict[str, Any]]) -> list[Path]:
    """The same records as JSONL, CSV and Parquet."""
    write_jsonl(directory / "rows.jsonl", rows)
    names = list(rows[0])
    text = "\n".join(",".join(str(row[name]) for name in names) for row in [dict(zip(names, names, strict=True)), *rows])
    (directory / "rows.csv").write_text(f"{text}\n")
    pq.write_table(pa.Table.from_pylist(rows), directory / "rows.parquet")
    return [directory / f"rows.{kind}" for kind in ("jsonl", "csv", "parquet")]


@pytest.mark.parametrize("labels", [["1", "2", "3"], ["3", "2", "1"], ["0", "1", "2"], ["no", "yes", "maybe"]])
@pytest.mark.parametrize("kind", [int, float, str])
def test_a_label_means_the_same_in_every_format(
    project: Callable[..., Path], tmp_path: Path, labels: list[str], kind: type
) -> None:
    given = [1, 2, 1, 2]
    kept = ("id", "premise", "hypothesis")
    rows = [{**{name: row[name] for name in kept}, "label": kind(value)} for row, value in zip(records(4), given, strict=True)]
    want = [labels.index(str(value)) if str(value) in labels else value for value in given]
    for path in in_every_format(tmp_path, rows):
        config = load_config(project(corpus={"files": [path.name], "labels": labels, "metadata": []}))
        stream = rendered(config.corpus, make_renderer(config), labels_needed=True)
        assert [instance.label for _, instance in stream] == want, path.name


OFFERED = ["a dog", "the cat", "a park"]


@pytest.mark.parametrize(
    ("choices", "label", "right"),
    [
        ({"text": OFFERED, "label": ["A", "B", "C"]}, "B", 1),
        ({"text": OFFERED, "label": ["1", "2", "3"]}, "2", 1),
        ({"text": OFFERED, "label": ["1", "2", "3"]}, 2, 1),
        ({"text": OFFERED, "label": [1, 2, 3]}, "2", 1),
        ({"text": OFFERED, "label": [1.0, 2.0, 3.0]}, 2.0, 1),  # numbers that came over the wire
        ({"text": OFFERED, "label": ["C", "A", "B"]}, "A", 1),
        ({"text": OFFERED, "label": ["A", "B", "C"]}, 1, 1),
        ([{"label": "A", "text": OFFERED[0]}, {"label": "B", "text": OFFERED[1]}, {"label": "C", "text": OFFERED[2]}], "B", 1),
        ([{"text": text} for text in OFFERED], 1, 1),
        ('{"text": ["a dog", "the cat", "a park"], "label": ["A", "B", "C"]}', "B", 1),  # a cell of CSV
        (OFFERED, "B", 1),
        (OFFERED, 1, 1),
        (OFFERED, "1", 1),
    ],
)
def test_an_answer_key_means_the_choice_that_has_it(project: Callable[..., Path], choices: Any, label: Any, right: int) -> None:
    renderer = make_renderer(load_config(project(task="multiple-choice")))
    instance = renderer.render({"id": "x", "premise": "a doctor", "choices": choices, "label": label}, "x")
    assert (instance.label, instance.outputs) == (right, ("0", "1", "2"))
    assert instance.fields["choices"] == OFFERED


@pytest.mark.parametrize(
    ("choices", "label", "said"),
    [
        ({"text": OFFERED, "label": ["1", "2", "3"]}, 0, "none of the choices: 1, 2, 3"),
        ({"text": OFFERED, "label": ["A", "B", "C"]}, "D", "none of the choices: A, B, C"),
        ({"text": OFFERED, "label": ["A", "B"]}, "A", "for 3 choices; one different name for each is needed"),
        ({"text": OFFERED, "label": ["A", "A", "B"]}, "A", "one different name for each"),
        (OFFERED, 3, "choices are counted from 0; give their own labels as choices ="),
        (OFFERED, "D", "choices are counted from 0"),
    ],
)
def test_an_answer_key_of_no_choice_is_refused(project: Callable[..., Path], choices: Any, label: Any, said: str) -> None:
    renderer = make_renderer(load_config(project(task="multiple-choice")))
    with pytest.raises(InputError, match=said):
        renderer.render({"id": "x", "premise": "a doctor", "choices": choices, "label": label}, "x")


def test_a_number_that_is_no_name_is_refused_where_names_are_numbers(project: Callable[..., Path]) -> None:
    renderer = make_renderer(load_config(project(corpus={"labels": ["1", "2", "3"]})))
    record = {"id": "x", "premise": "a", "hypothesis": "b", "label": 0}
    with pytest.raises(InputError, match="label 0 is none of the model's outputs: 1, 2, 3; a number is a name here"):
        renderer.render(record, "x")
