"""One corpus in every kind of file gives the same instances, and each problem is found at its place."""

import csv
import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from attridex.indexer.config import load_config
from attridex.indexer.corpus.reading import label_names, read_records, rendered
from attridex.indexer.corpus.survey import Survey, survey
from attridex.indexer.errors import InputError
from attridex.indexer.models.renderers import make_renderer, with_class_names


def surveyed(path: Path) -> Survey:
    config = load_config(path)
    return survey(config.corpus, make_renderer(config), labels_needed=True)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("kind", ["csv", "parquet", "dataset", "two files"])
def test_every_kind_of_corpus_holds_the_same_instances(kind: str, project: Callable[..., Path], tmp_path: Path) -> None:
    expected = surveyed(project())
    data = rows(tmp_path / "train.jsonl")
    source: dict[str, Any] = {"files": [f"train.{kind}"]}
    if kind == "csv":
        with (tmp_path / "train.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(data[0]))
            writer.writeheader()
            writer.writerows(data)
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(data), tmp_path / "train.parquet")
    elif kind == "dataset":
        datasets.DatasetDict({"train": datasets.Dataset.from_list(data)}).save_to_disk(str(tmp_path / "hub"))
        source = {"files": [], "dataset": "./hub"}
    else:
        lines = (tmp_path / "train.jsonl").read_text().splitlines(keepends=True)
        (tmp_path / "a.jsonl").write_text("".join(lines[:5]))
        (tmp_path / "b.jsonl").write_text("".join(lines[5:]))
        source = {"files": ["a.jsonl", "b.jsonl"]}
    config = project(corpus=source)
    assert surveyed(config) == expected


def test_an_empty_id_numbers_the_instances(project: Callable[..., Path]) -> None:
    assert surveyed(project(corpus={"id": ""})).instances == 12


def test_every_record_has_its_place_and_its_instance(project: Callable[..., Path], tmp_path: Path) -> None:
    config = load_config(project(count=3))
    assert [record.where for record in read_records(config.corpus, config.model.task)] == [
        f"{tmp_path}/train.jsonl:{line}" for line in (1, 2, 3)
    ]
    pairs = list(rendered(config.corpus, make_renderer(config), labels_needed=True))
    assert [(record.values["id"], instance.id) for record, instance in pairs] == [(f"t{n}", f"t{n}") for n in range(3)]


def test_a_pattern_and_every_kind_of_file_hold_the_same_instances(project: Callable[..., Path], tmp_path: Path) -> None:
    expected = surveyed(project())
    data = rows(tmp_path / "train.jsonl")
    (tmp_path / "parts").mkdir()
    for at in range(0, 12, 4):
        (tmp_path / f"parts/{at:02d}.json.gz").write_bytes(gzip.compress(json.dumps(data[at : at + 4], indent=1).encode()))
    assert surveyed(project(corpus={"files": ["parts/*.json.gz"]})) == expected
    with (tmp_path / "train.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(data[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(data)
    assert surveyed(project(corpus={"files": ["train.csv"], "delimiter": ";"})) == expected


def test_a_file_that_stands_twice_is_refused(project: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=r"corpus\.files: .*train\.jsonl stands twice"):
        load_config(project(corpus={"files": ["train.jsonl", "*.jsonl"]}))


BAD: list[dict[str, Any]] = [
    {"premise": " "}, {"label": None}, {"label": float("nan")}, {"premise": float("nan")}, {"hypothesis": None}, {"label": 9},
    {"genre": float("inf")}, {"id": None}, {"id": True}, {"premise": "the " * 100},
]  # fmt: skip


def write(tmp_path: Path, records: list[dict[str, Any]]) -> None:
    """The corpus."""
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


def with_bad(tmp_path: Path, count: int = 12) -> list[str]:
    """The corpus with bad records between the good ones; the ids of the good."""
    data = rows(tmp_path / "train.jsonl")
    bad = [{**good, "id": f"bad{at}", **BAD[at % len(BAD)]} for at, good in enumerate(data)]
    write(tmp_path, [record for pair in zip(data, bad, strict=True) for record in pair][: 2 * count])
    return [record["id"] for record in data]


def test_records_that_cannot_be_used_are_named_together(project: Callable[..., Path], tmp_path: Path) -> None:
    config = project()
    with_bad(tmp_path)
    with pytest.raises(InputError) as raised:
        surveyed(config)
    said = str(raised.value)
    assert said.startswith(f"at least 10 records cannot be used (--skip-bad leaves them out): {tmp_path}/train.jsonl:2: column")
    assert len(said.splitlines()) == 1
    reasons = ("'premise' is empty", "no label: column 'label'", "label 9 is none", "holds inf", "missing column 'id'", "is True")
    assert [reason for reason in reasons if reason not in said] == []
    write(tmp_path, rows(tmp_path / "train.jsonl")[:3])
    with pytest.raises(InputError, match=r"^[^ ]*train.jsonl:2: column 'premise' is empty"):
        surveyed(config)


def test_records_that_cannot_be_used_are_left_out_where_that_is_asked_for(project: Callable[..., Path], tmp_path: Path) -> None:
    expected = surveyed(project())
    config = project(corpus={"skip_bad": True})
    good = with_bad(tmp_path)
    found = surveyed(config)
    assert replace(found, unusable=()) == expected
    assert [(each.number, each.where) for each in found.unusable] == [
        (2 * n + 1, f"{tmp_path}/train.jsonl:{2 * n + 2}") for n in range(12)
    ]
    loaded = load_config(config)
    assert [instance.id for _, instance in rendered(loaded.corpus, make_renderer(loaded), labels_needed=True)] == good
    (tmp_path / "train.jsonl").write_text('{"id": "x", "premise": ""}\n' * 2)
    with pytest.raises(InputError, match=r"^no record can be used: .*train.jsonl:1, 2: "):
        surveyed(config)


@pytest.mark.parametrize("kind", ["dataset", "parquet"])
def test_names_of_classes_decide_whatever_their_order(kind: str, project: Callable[..., Path], tmp_path: Path) -> None:
    project()
    data = rows(tmp_path / "train.jsonl")
    expected = [["yes", "no", "maybe"][record["label"]] for record in data]
    order = ["maybe", "yes", "no"]
    labelled = [{**record, "label": order.index(name)} for record, name in zip(data, expected, strict=True)]
    classes = datasets.Dataset.from_list(labelled)
    classes = classes.cast_column("label", datasets.ClassLabel(names=order))
    classes.to_parquet(str(tmp_path / "train.parquet"))
    classes.save_to_disk(str(tmp_path / "saved"))
    source = {"files": ["train.parquet"]} if kind == "parquet" else {"files": [], "dataset": "./saved"}
    loaded = load_config(project(corpus={"labels": ["yes", "no", "maybe"], **source}))
    found = list(rendered(loaded.corpus, make_renderer(loaded), labels_needed=True))
    assert [instance.label_name for _, instance in found] == expected
    assert label_names(loaded.corpus, loaded.model.task) == order
    numbered = with_class_names(load_config(project(corpus=source)))
    assert numbered.corpus.labels == order
    assert [instance.label for _, instance in rendered(numbered.corpus, make_renderer(numbered), labels_needed=True)] == [
        order.index(name) for name in expected
    ]
    old = loaded.corpus.model_copy(update={"rendering": 1})
    assert label_names(old, loaded.model.task) == []
    assert [record.values["label"] for record in read_records(old, loaded.model.task)] == [order.index(name) for name in expected]
