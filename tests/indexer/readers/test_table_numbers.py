"""Numbers in texts: what pandas and datasets would show otherwise is said, and nothing else."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from attridex.indexer.config import load_config
from attridex.indexer.corpus.survey import survey
from attridex.indexer.models.renderers import make_renderer
from attridex.indexer.readers.table_numbers import ShownNumbers
from attridex.indexer.readers.values import Cell

COLUMNS = [
    ["1", "2"], ["1.5", "2"], ["1.50", "2.5"], ["007", "12"], ["007", "x"], ["1e3", "2"], ["0.1", "-3.25"], ["+5", "6"],
    ["a", "1"], ["1.", "2.5"], [".5", "1.5"], ["-0", "1"], ["1,000", "2"], ["1e-05", "2.0"],
]  # fmt: skip


@pytest.mark.parametrize("cells", COLUMNS, ids=";".join)
def test_what_pandas_shows_otherwise_is_said(cells: list[str]) -> None:
    numbers = ShownNumbers(["x"])
    for cell in cells:
        numbers.see({"x": Cell(cell), "y": Cell("1.50")})
    quoted = "\n".join(["x", *(f'"{cell}"' for cell in cells)])
    shown = [str(value) for value in pd.read_csv(io.StringIO(quoted))["x"].tolist()]
    odd = next(((cell, own) for cell, own in zip(cells, shown, strict=True) if cell != own), None)
    assert [line.split("'")[3:6:2] for line in numbers.lines] == ([list(odd)] if odd else [])


@pytest.mark.parametrize(("values", "said"), [([1, 2.5], "'1'"), ([1, 2], ""), ([1.0, 2.5], ""), ([True, 1], "")])
def test_whole_numbers_beside_decimals_are_said(values: list[Any], said: str) -> None:
    numbers = ShownNumbers(["x"])
    for value in values:
        numbers.see({"x": value})
    assert [said in line for line in numbers.lines] == [True] * bool(said)


def test_a_build_says_it(project: Callable[..., Path], tmp_path: Path) -> None:
    path = project(corpus={"segments": ["{premise} {year}"]}, count=4)
    rows = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    (tmp_path / "train.jsonl").write_text(
        "".join(json.dumps({**row, "year": [3, 2.5][at % 2]}) + "\n" for at, row in enumerate(rows))
    )
    config = load_config(path)
    (line,) = (said for said in survey(config.corpus, make_renderer(config), labels_needed=True).remarks if "pandas" in said)
    assert line.startswith("the texts show column 'year' as its file writes it ('3'); pandas and datasets read it as '3.0'")
