"""Queries are read from every kind of file that a corpus is read from, by every command that takes them."""

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.conftest import Ran, records

ROWS = [{name: row[name] for name in ("id", "premise", "hypothesis")} for row in records(3)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


def table(delimiter: str) -> str:
    """The rows as a table."""
    return "\n".join(delimiter.join(row) for row in [list(ROWS[0]), *(list(row.values()) for row in ROWS)]) + "\n"


def zst(content: bytes) -> bytes:
    """Packed by zstd."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return bytes(sink.getvalue())


FILES: dict[str, tuple[bytes, list[str]]] = {
    "q.csv": (table(",").encode(), []),
    "q.tsv": (table("\t").encode(), []),
    "semicolons.csv": (table(";").encode(), ["--delimiter", ";"]),
    "bars.csv.gz": (gzip.compress(table("|").encode()), ["--delimiter", "|"]),
    "q.tsv.zst": (zst(table("\t").encode()), []),
    "q.jsonl.gz": (gzip.compress(LINES.encode()), []),
    "q.jsonl.zst": (zst(LINES.encode()), []),
    "q.json": (json.dumps(ROWS).encode(), []),
}


@pytest.fixture
def index(indexed: Callable[..., Path]) -> Path:
    """Of the records that are asked about."""
    return indexed(neurons={"steps": 2}) / "index"


def test_every_kind_of_file_gives_the_same_answers(index: Path, attridex: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text(LINES)
    commands: dict[str, tuple[Any, ...]] = {
        "query": ("query", "ia", "--index", index, "--json"), "predict": ("predict", "--index", index, "--json"),
        "show": ("show", index, "--json"),
    }  # fmt: skip
    expected = {name: attridex(*command, "--queries", tmp_path / "q.jsonl").lines for name, command in commands.items()}
    assert all(map(len, expected.values()))
    for name, (content, options) in FILES.items():
        (tmp_path / name).write_bytes(content)
        for kind, command in commands.items():
            ran = attridex(*command, "--queries", tmp_path / name, *options)
            assert (ran.code, ran.lines) == (0, expected[kind]), (name, ran.err)
    ran = attridex(*commands["query"], "--queries", tmp_path / "semicolons.csv")
    assert (ran.code, len(ran.err.splitlines())) == (2, 1)
    assert "is the delimiter ';'? (corpus.delimiter, --delimiter)" in ran.err
    out = tmp_path / "answers.jsonl"
    again = (*commands["query"][:4], "--queries", tmp_path / "semicolons.csv", "--out", out)
    assert attridex(*again, "--delimiter", ";").code == 0
    assert [json.loads(line)["query"] for line in out.read_text().splitlines()] == [row["id"] for row in ROWS]
    out = tmp_path / "study"
    ran = attridex(
        "study", "overlap", "--index", index, "--queries", tmp_path / "semicolons.csv", "--out", out, "--delimiter", ";"
    )
    assert ran.code == 0, ran.err


@pytest.mark.parametrize("delimiter", [";;", '"', "\n", ""])
def test_what_parts_no_columns_is_refused(
    delimiter: str, project: Callable[..., Path], attridex: Callable[..., Ran], tmp_path: Path
) -> None:
    (tmp_path / "q.csv").write_text(table(","))
    ran = attridex("show", project(), "--no-model", "--queries", tmp_path / "q.csv", "--delimiter", delimiter)
    assert (ran.code, len(ran.err.splitlines())) == (2, 1)
    assert "parts no columns; give one character" in ran.err


def test_standard_input_is_a_file_of_json_lines(
    index: Path, attridex: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "q.jsonl").write_text(LINES)
    command = ("query", "ia", "--index", index, "--json", "--k", 99)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(LINES.encode())))
    ran = attridex(*command, "--queries", "-")
    assert ran.lines == attridex(*command, "--queries", tmp_path / "q.jsonl").lines
    assert all(len(line["hits"]) == 12 for line in ran.lines)
    assert "--k 99: the index has 12 instances, all are asked for" in ran.err
    ran = attridex("predict", "--index", index, "--queries", tmp_path / "q.jsonl", "--suppress", "na:120", "--json")
    few = sum(len(line["interventions"][0]["neurons"]) < 120 for line in ran.lines)
    assert ran.err.count("suppress na:120: only ") == few > 0
    (tmp_path / "q.jsonl").write_text('{"premise": "the dog"}\n')
    assert "q.jsonl: query 'query-0': missing column 'hypothesis'" in attridex(*command, "--queries", tmp_path / "q.jsonl").err
