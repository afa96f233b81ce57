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

from attridex.indexer.building.plan import survey_corpus
from attridex.indexer.config import load_config
from attridex.indexer.corpus.segments import parse_segment
from attridex.indexer.errors import InputError
from attridex.indexer.models.renderers import make_renderer


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("kind", ["csv", "parquet", "dataset", "two files"])
def test_every_kind_of_corpus_holds_the_same_instances(kind: str, project: Callable[..., Path], tmp_path: Path) -> None:
    expected = survey_corpus(load_config(project()))
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
    assert survey_corpus(load_config(config)) == expected


def test_an_empty_id_numbers_the_instances(project: Callable[..., Path]) -> None:
    assert survey_corpus(load_config(project(corpus={"id": ""}))).instances == 12


def test_only_the_end_of_the_named_segment_is_cut(project: Callable[..., Path]) -> None:
    config = load_config(project(corpus={"truncate": "premise"}, model={"max_length": 14}))
    whole = make_renderer(load_config(project(corpus={"truncate": "premise"})))
    cut = make_renderer(config)
    record = {"id": "x", "premise": "the dog ran park cat some", "hypothesis": "a lawyer slept", "label": 1}
    full, short = whole.render(record, "x"), cut.render(record, "x")
    (full_ids,), (short_ids,) = full.sequences, short.sequences
    assert len(short_ids) == 14
    assert short.truncated
    assert not full.truncated
    excess = len(full_ids) - 14
    end_of_premise = 1 + 2 + 6  # BOS, "Premise :", six words
    assert short_ids == full_ids[: end_of_premise - excess] + full_ids[end_of_premise:]


def test_labels_are_names_or_output_numbers(project: Callable[..., Path]) -> None:
    renderer = make_renderer(load_config(project(corpus={"labels": ["yes", "no", "maybe"]})))
    base = {"id": "x", "premise": "a", "hypothesis": "b"}
    assert [renderer.label({**base, "label": value}, "x") for value in ("no", 2, "1", 0.0, None)] == [1, 2, 1, 0, None]
    for value in (3, -1, "perhaps", True, 1.5, [1]):
        with pytest.raises(InputError, match="none of the model's outputs"):
            renderer.label({**base, "label": value}, "x")


def test_segments_split_into_texts_and_fields() -> None:
    segment = parse_segment("Premise {{1}} : {premise} / {hypothesis}.")
    assert segment.fields == ("premise", "hypothesis")
    assert segment.text({"premise": "{p}", "hypothesis": "h"}) == "Premise {1} : {p} / h."
