"""A ClassLabel column means its names, in Parquet and in a dataset, wherever it stands in a record."""

from pathlib import Path
from typing import Any

import datasets
import pytest

from attridex.indexer.readers.class_labels import (
    class_features,
    class_names,
    classes_by_name,
    label_classes,
    named_columns,
    parquet_features,
)  # fmt: skip
from attridex.indexer.readers.record_files import read_record_file

ROWS = [
    {"text": "a", "label": 1, "tags": [0, 1], "one": {"x": 1}, "many": [{"y": 0}], "n": 1},
    {"text": "b", "label": -1, "tags": [], "one": {"x": 0}, "many": [], "n": 0},
]
NAMED = [
    {"text": "a", "label": "yes", "tags": ["A", "B"], "one": {"x": "d"}, "many": [{"y": "e"}], "n": 1},
    {"text": "b", "label": None, "tags": [], "one": {"x": "c"}, "many": [], "n": 0},
]


def dataset() -> Any:
    names = datasets.ClassLabel
    features = datasets.Features({
        "text": datasets.Value("string"), "label": names(names=["no", "yes"]), "tags": datasets.List(names(names=["A", "B"])),
        "one": {"x": names(names=["c", "d"])}, "many": datasets.List({"y": names(names=["e", "f"])}),
        "n": datasets.Value("int64"),
    })  # fmt: skip
    return datasets.Dataset.from_list(ROWS, features=features)


def test_parquet_that_datasets_wrote_is_read_by_names(tmp_path: Path) -> None:
    dataset().to_parquet(str(tmp_path / "a.parquet"))
    assert [dict(record.values) for record in read_record_file(tmp_path / "a.parquet")] == NAMED
    assert [dict(record.values) for record in read_record_file(tmp_path / "a.parquet", by_name=lambda _: False)] == ROWS


TEXT = {"rendering": 2, "text": "{premise} {topic}", "label": "label"}
BY_NUMBER: list[tuple[dict[str, Any], str, set[str]]] = [
    (TEXT, "sequence-classification", {"topic"}),
    (TEXT, "regression", {"topic", "label"}),
    ({**TEXT, "text": "{label}: {topic}"}, "sequence-classification", {"topic"}),
    ({**TEXT, "text": "{premise}", "target": " {label}"}, "causal-lm", {"label"}),
    ({**TEXT, "text": None, "pair": ["premise", "{topic}?"]}, "multi-label", {"topic"}),
    ({**TEXT, "text": None, "segments": ["{premise}", "/ {topic} :"]}, "sequence-classification", {"topic"}),
    ({**TEXT, "text": None, "messages": "messages"}, "causal-lm", set()),
    ({**TEXT, "text": None, "encoded": True}, "sequence-classification", {"topic", "label", "day"}),
    ({**TEXT, "rendering": 1}, "sequence-classification", {"topic", "label", "day"}),
]


@pytest.mark.parametrize(("corpus", "task", "numbers"), BY_NUMBER)
def test_classes_that_training_read_as_numbers_stay_numbers(corpus: dict[str, Any], task: str, numbers: set[str]) -> None:
    by_name = classes_by_name(corpus, task)
    assert {column for column in ("topic", "label", "day") if not by_name(column)} == numbers


def test_features_of_a_dataset_and_of_its_parquet_say_the_same(tmp_path: Path) -> None:
    dataset().to_parquet(str(tmp_path / "a.parquet"))
    features = class_features(dataset().features.to_dict())
    assert set(features) == {"label", "tags", "one", "many"}
    assert class_names(features["label"]) == ["no", "yes"]
    assert [label_classes(features[name]) for name in ("tags", "one", "label")] == [["A", "B"], [], ["no", "yes"]]
    assert [named_columns(row, features) for row in ROWS] == NAMED


def test_lists_of_structures_as_older_datasets_keep_them() -> None:
    label = {"_type": "ClassLabel", "names": ["a", "b"]}
    for feature in ({"_type": "Sequence", "feature": {"y": label}}, {"y": [label]}):
        assert named_columns({"many": {"y": [0, 1]}}, {"many": feature}) == {"many": {"y": ["a", "b"]}}


@pytest.mark.parametrize("metadata", [None, {}, {b"huggingface": b"no JSON"}, {b"huggingface": b'{"info": null}'}])
def test_tables_of_others_have_no_classes(metadata: Any) -> None:
    assert parquet_features(metadata) == {}


def test_a_number_that_has_no_name_stays() -> None:
    features = {"label": {"_type": "ClassLabel", "names": ["a", "b"]}}
    assert [named_columns({"label": value}, features)["label"] for value in (0, 2, -100, None, "b")] == ["a", 2, -100, None, "b"]
