"""Values in texts: what pandas and datasets would show otherwise is said, and nothing else."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.json as arrow
import pytest

from attridex.indexer.config import load_config
from attridex.indexer.corpus.survey import survey
from attridex.indexer.models.renderers import make_renderer
from attridex.indexer.readers.table_values import ShownValues
from attridex.indexer.readers.values import Cell

CSV = [
    ["1", "2"], ["1.5", "2"], ["1.50", "2.5"], ["007", "12"], ["007", "x"], ["1e3", "2"], ["0.1", "-3.25"], ["+5", "6"],
    ["a", "1"], ["1.", "2.5"], [".5", "1.5"], ["-0", "1"], ["1,000", "2"], ["1e-05", "2.0"], ["a", "NA"], ["null"], ["none"],
    ["2021-05-02"],
]  # fmt: skip
JSON: list[list[Any]] = [
    [1, 2.5], [1, 2], [1.0, 2.5], [True], ["1", "2"], ["2021-05-02"], ["2021-05-02 13:45:00"], ["2021-05-02", "x"],
    ["2021-05-02T13:45:00", "2021-05-03"], ["2021-05-02T13:45:00.5"], ["2021-05-02T13:45:00+02:00"], ["2021-05-02 13Z"],
    ["2021-13-02"], ["20210502"],
]  # fmt: skip


def said(values: list[Any], *, typed: bool = False) -> list[str]:
    """What is said of a column: a value as it is written, and as it is shown."""
    shown = ShownValues(["x"], typed=typed)
    for value in values:
        shown.see({"x": value, "y": Cell("1.50")})
    return [part for line in shown.lines for part in line.partition("its file writes it (")[2].split("'")[1:4:2]]


def first_odd(written: list[Any], read: list[Any]) -> list[str]:
    """The first value that is shown otherwise than it is written."""
    pairs = [(str(one), str(other)) for one, other in zip(written, read, strict=True)]
    return next((list(pair) for pair in pairs if pair[0] != pair[1]), [])


@pytest.mark.parametrize("cells", CSV, ids=";".join)
def test_what_pandas_reads_otherwise_is_said(cells: list[str]) -> None:
    read = pd.read_csv(io.StringIO("\n".join(["x", *(f'"{cell}"' for cell in cells)])))["x"].tolist()
    gone = [cell for cell, value in zip(cells, read, strict=True) if value != value]
    found = said([Cell(cell) for cell in cells])
    assert found[:1] == gone[:1] if gone else found == first_odd(cells, read)


@pytest.mark.parametrize("values", JSON, ids=str)
def test_what_datasets_reads_otherwise_is_said(values: list[Any]) -> None:
    lines = "".join(json.dumps({"x": value}) + "\n" for value in values)
    read = [
        value.replace(tzinfo=None) if hasattr(value, "tzinfo") else value
        for value in arrow.read_json(io.BytesIO(lines.encode()))["x"].to_pylist()
    ]
    assert said(values) == first_odd(values, read)


def test_a_text_of_a_typed_file_is_a_text() -> None:
    assert said(["2021-05-02"], typed=True) == []


def test_a_build_says_it(project: Callable[..., Path], tmp_path: Path) -> None:
    path = project(corpus={"segments": ["{premise} {year}"]}, count=4)
    rows = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    lines = [json.dumps({**row, "year": [3, 2.5][at % 2]}) + "\n" for at, row in enumerate(rows)]
    (tmp_path / "train.jsonl").write_text("".join(lines))
    config = load_config(path)
    (line,) = (said for said in survey(config.corpus, make_renderer(config), labels_needed=True).remarks if "pandas" in said)
    assert line.startswith("the texts show column 'year' as its file writes it ('3'); pandas or datasets read it as '3.0'")
