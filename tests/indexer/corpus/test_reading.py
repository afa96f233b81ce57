"""One corpus in every kind of file gives the same instances, and each problem is found at its place."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from attridex.indexer.config import load_config
from attridex.indexer.corpus.reading import read_records, rendered
from attridex.indexer.corpus.survey import Survey, survey
from attridex.indexer.models.renderers import make_renderer


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
    assert [record.where for record in read_records(config.corpus)] == [f"{tmp_path}/train.jsonl:{line}" for line in (1, 2, 3)]
    pairs = list(rendered(config.corpus, make_renderer(config), labels_needed=True))
    assert [(record.values["id"], instance.id) for record, instance in pairs] == [(f"t{n}", f"t{n}") for n in range(3)]
