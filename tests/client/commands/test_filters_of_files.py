"""A filter over metadata finds what DuckDB finds in the user's own file."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import Ran, records
from tests.service.conftest import serving

TIMES = ["2024-05-01T12:00:00", "2024-05-01 13:30:00", None, "2024-05-02T00:00:00"]
SCORES = [9, 10, None, 100]
SURE = [True, False, None, True]


def rows() -> list[dict[str, Any]]:
    """Instances with a time, a number, a truth and a number of single precision, some of them empty."""
    return [
        {**row, "at": TIMES[number % 4], "score": SCORES[number % 4], "sure": SURE[number % 4], "short": [0.1, 0.5][number % 2]}
        for number, row in enumerate(records(8))
    ]


def written(kind: str, out: Path) -> Path:
    """The instances in a file."""
    path, made = out / f"train.{kind}", rows()
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in made))
    elif kind == "parquet":
        table = pa.Table.from_pylist(made)
        at = table.schema.get_field_index("short")
        pq.write_table(table.set_column(at, "short", pa.array(np.float32([row["short"] for row in made]))), path)
    else:
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, list(made[0]))
            table.writeheader()
            table.writerows(made)
    return path


READ = {"jsonl": "json_auto", "csv": "csv_auto", "parquet": "parquet"}
FILTERS = [
    "score > 9", "score IS NULL", "score BETWEEN 9 AND 10", "NOT score = 9", "sure IS NOT TRUE", "sure IS TRUE", "sure IS FALSE",
    "sure IS NOT FALSE", "at > '2024-05-01 13:00:00'", "at <= '2024-05-01T13:30'", "at IS NULL", "short = 0.1", "short IN (0.5)",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_filter_finds_what_duckdb_finds_in_the_file(
    kind: str, project: Callable[..., Path], attridex: Callable[..., Ran], tmp_path: Path
) -> None:
    config = project(
        corpus={"metadata": ["at", "score", "sure", "short"], "files": [f"train.{kind}"]}, neurons={"enabled": False}
    )
    path = written(kind, tmp_path)
    assert attridex("build", config, "--out", tmp_path / "i").code == 0
    with serving(tmp_path / "i") as server:
        ask = ("query", "ia", "--server", f"127.0.0.1:{server.port}", "--instance", "t0", "--k", 8, "--json")
        for condition in FILTERS:
            plain = condition.replace("at", '"at"::TIMESTAMP') if condition.startswith("at") else condition
            expected = {one for (one,) in duckdb.sql(f"SELECT id FROM read_{READ[kind]}('{path}') WHERE {plain}").fetchall()}
            ran = attridex(*ask, "--where", condition)
            assert ran.code == 0, (condition, ran.err)
            assert {hit["id"] for hit in ran.lines[0]["hits"]} == expected, condition


REFUSED = {
    "label = posotive": "put 'posotive' in single quotes",
    "score BETWEEN SYMMETRIC 10 AND 9": "is not allowed",
    "score LIKE '1' ESCAPE '!'": "is not allowed",
    "score = 0.1234567890123456789": "more digits than are compared exactly",
    "score = 1e999": "more digits than are compared exactly",
    "label = 'entailmnt'": "where: no label is 'entailmnt'",
}


def test_a_filter_that_cannot_be_meant_is_refused(
    project: Callable[..., Path], attridex: Callable[..., Ran], tmp_path: Path
) -> None:
    config = project(corpus={"metadata": ["score"], "files": ["train.jsonl"]}, neurons={"enabled": False})
    written("jsonl", tmp_path)
    assert attridex("build", config, "--out", tmp_path / "i").code == 0
    for condition, words in REFUSED.items():
        ran = attridex("query", "ia", "--index", tmp_path / "i", "--instance", "t0", "--where", condition)
        assert (ran.code != 0, len(ran.err.splitlines())) == (True, 1), condition
        assert words in ran.err
