"""Labels of encoded rows: the given one is read wherever a Trainer's own rows have it, and never taken for none."""

from typing import Any

import pytest

from attridex.indexer.config import CorpusConfig
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.corpus.rendering import Renderer
from attridex.indexer.errors import InputError
from attridex.indexer.forms.encoded import Encoded
from attridex.indexer.task_kinds import Task

NAMES = ["no", "maybe", "yes"]
ROW = {"id": "r", "input_ids": [5, 6, 7]}
CHOICES = {"id": "r", "input_ids": [[5, 6], [7, 8], [9, 3]]}
GIVEN: dict[Task, tuple[dict[str, Any], list[Any]]] = {
    "sequence-classification": (ROW, [2, 2.0, "2", "yes"]),
    "multiple-choice": (CHOICES, [2, 2.0, "2", "C"]),
    "regression": (ROW, [2, 2.5, "2.5"]),
    "multi-label": (ROW, [[0.0, 1.0, 1.0], ["maybe"], '["maybe", "yes"]']),
}


def read(task: Task, record: dict[str, Any], names: list[str] = NAMES, **settings: Any) -> RenderedInstance:
    own = CorpusConfig(files=["x"], encoded=True, **settings)
    names = {"regression": ["score"], "multiple-choice": []}.get(task, names)
    return Renderer(own, Encoded(own, str, 8, task), names, str, task=task).render(record, "f:1")


@pytest.mark.parametrize("column", ["mine", "label", "label_ids", "labels"])
@pytest.mark.parametrize("task", GIVEN)
def test_a_label_is_the_same_in_each_column_that_may_hold_it(task: Task, column: str) -> None:
    record, labels = GIVEN[task]
    for label in labels:
        found = read(task, {**record, column: label}, label="mine")
        wanted = read(task, {**record, "mine": label}, label="mine")
        assert found.label_name is not None
        assert (found.label, found.goals, found.key) == (wanted.label, wanted.goals, wanted.key)
        other = {"multi-label": [], "regression": 7}.get(task, 0)
        assert read(task, {**record, "labels": other, column: label}, label="mine").key == wanted.key  # the first column decides


@pytest.mark.parametrize("task", GIVEN)
def test_a_label_that_is_none_of_the_outputs_is_refused_in_each_column(task: Task) -> None:
    for column in ("label", "label_ids", "labels"):
        for label in ("nay", "", [[1]]):
            with pytest.raises(InputError, match=r"^f:1: label "):
                read(task, {**GIVEN[task][0], column: label})


@pytest.mark.parametrize("task", GIVEN)
def test_none_and_nan_are_no_label(task: Task) -> None:
    for label in (None, float("nan")):
        assert read(task, {**GIVEN[task][0], "label": label}).label_name is None


def test_a_number_is_an_output_s_number_whatever_the_names_are_and_a_text_of_one_may_not_mean_two_outputs() -> None:
    task: Task = "sequence-classification"
    numbered = ["1", "2", "3"]
    assert [read(task, {**ROW, "labels": label}, numbered).label for label in (0, 1, 2, 2.0, "0", "3", True)] == [
        0,
        1,
        2,
        2,
        0,
        2,
        1,
    ]
    for label in ("1", "2"):
        with pytest.raises(InputError, match=f"f:1: label '{label}' names output .*; give a number, not a text"):
            read(task, {**ROW, "labels": label}, numbered)
    with pytest.raises(InputError, match=r"label 3 is none of .*; of encoded rows a number is an output's, 0 to 2"):
        read(task, {**ROW, "labels": 3}, numbered)
