"""Labels in ClassLabel columns, alone or in lists: a model whose outputs are only numbered takes their names, in every task."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import pytest

from attridex.indexer.config import Config, parse_config
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.corpus.reading import rendered
from attridex.indexer.errors import InputError
from attridex.indexer.models.renderers import make_renderer, with_class_names
from attridex.indexer.task_kinds import Task
from attridex.indexer.training.start import training_labels
from tests.conftest import CONFIGS, word_tokenizer

CLASSES = datasets.ClassLabel(names=["maybe", "yes", "no"])
PAIR = datasets.ClassLabel(names=["yes", "no"])
WORDS = [["the", "dog"], ["some", "cat", "ran"]]


@dataclass(frozen=True)
class Case:
    """A task, how many outputs its model has, what its labels are, their numbers, and the labels as an index shows them."""

    task: Task
    outputs: int
    feature: Any
    labels: list[Any]
    shown: list[str]


CASES = {
    "classes": Case("sequence-classification", 3, CLASSES, [2, 0], ["no", "maybe"]),
    "one logit": Case("sequence-classification", 1, PAIR, [1, 0], ["no", "yes"]),
    "labels that hold": Case("multi-label", 3, datasets.List(CLASSES), [[2, 1], []], ['["yes", "no"]', "[]"]),
    "words": Case(
        "token-classification", 3, datasets.List(CLASSES), [[2, 0], [-1, -100, 1]], ['["no", "maybe"]', '[null, null, "yes"]']
    ),
}


def config(case: Case, source: dict[str, Any], place: Path, names: dict[int, str] | None = None, **corpus: Any) -> Config:
    """Of a model that was trained on the numbers."""
    own = CONFIGS["bert"]()
    own.num_labels = case.outputs
    if names:
        own.id2label, own.label2id = names, {name: number for number, name in names.items()}
    own.save_pretrained(place / "m")
    word_tokenizer().save_pretrained(place / "m")
    words = case.task == "token-classification"
    data = {"model": {"path": "m", "task": case.task}, "corpus": {**source, "text": "{words}" if words else "{text}", **corpus}}
    return parse_config(data, "c", place)


def source(case: Case, kind: str, place: Path) -> dict[str, Any]:
    """Their records, in a file or a directory of `datasets`."""
    rows = {"id": ["a", "b"], "words": WORDS, "text": ["the dog", "some cat ran"], "label": case.labels}
    data = datasets.Dataset.from_dict(rows).cast_column("label", case.feature)
    data.to_parquet(str(place / "a.parquet"))
    data.save_to_disk(str(place / "saved"))
    return {"files": ["a.parquet"]} if kind == "parquet" else {"dataset": "./saved"}


def test_a_regression_learns_the_number_and_not_a_name_that_is_one(tmp_path: Path) -> None:
    case = Case("regression", 1, datasets.ClassLabel(names=["1", "3", "0.5"]), [2, 0], ["2", "0"])
    found = with_class_names(config(case, source(case, "parquet", tmp_path), tmp_path))
    assert [each.label_name for each in instances(found)] == case.shown


def test_one_logit_learns_the_class_s_number_whatever_its_name(tmp_path: Path) -> None:
    case = Case("sequence-classification", 1, datasets.ClassLabel(names=["1", "0"]), [1, 0], ["0", "1"])
    found = with_class_names(config(case, source(case, "parquet", tmp_path), tmp_path))
    assert [each.label for each in instances(found)] == case.labels


NUMBERED: dict[str, tuple[int, dict[int, str] | None, list[str]]] = {
    "more outputs than classes": (4, None, ["1", "2", "3"]),
    "outputs called by numbers": (4, {0: "0", 1: "1", 2: "2", 3: "3"}, ["1", "2", "3"]),
    "one logit with a name": (1, {0: "toxic"}, ["1", "0"]),
}


@pytest.mark.parametrize("name", NUMBERED)
@pytest.mark.parametrize("kind", ["parquet", "dataset"])
def test_a_class_called_by_another_output_s_number_is_refused(name: str, kind: str, tmp_path: Path) -> None:
    outputs, own, classes = NUMBERED[name]
    case = Case("sequence-classification", outputs, datasets.ClassLabel(names=classes), [1, 0], [])
    found = with_class_names(config(case, source(case, kind, tmp_path), tmp_path, own))
    with pytest.raises(InputError, match=r"corpus.label: class '1' is number 0 of column 'label', which a Trainer learns"):
        instances(found)


def instances(config: Config) -> list[RenderedInstance]:
    return [instance for _, instance in rendered(config.corpus, make_renderer(config), labels_needed=True)]


@pytest.mark.parametrize("kind", ["parquet", "dataset"])
@pytest.mark.parametrize("name", CASES)
def test_outputs_that_are_only_numbered_are_called_as_the_classes(name: str, kind: str, tmp_path: Path) -> None:
    case = CASES[name]
    found = with_class_names(config(case, source(case, kind, tmp_path), tmp_path))
    names = (PAIR if case.outputs == 1 else CLASSES).names
    assert found.corpus.labels == names
    assert training_labels(found) == names, "finetune and studies that retrain"
    assert [each.label_name for each in instances(found)] == case.shown


@pytest.mark.parametrize("name", ["classes", "labels that hold", "words"])
def test_a_model_s_own_names_stay_and_decide(name: str, tmp_path: Path) -> None:
    case, given = CASES[name], source(CASES[name], "parquet", tmp_path)
    for own in (["no", "yes", "maybe"], ["NO", "YES", "MAYBE"]):
        kept = with_class_names(config(case, given, tmp_path, dict(enumerate(own))))
        assert kept.corpus.labels is None
        if own[0] == "no":
            labelled = [each.label_name for each in instances(kept)]
            assert labelled == ['["no", "yes"]' if shown == '["yes", "no"]' else shown for shown in case.shown]
        else:
            with pytest.raises(InputError, match="NO, YES, MAYBE"):
                instances(kept)
