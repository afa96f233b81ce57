"""Query files are read the same whatever their kind, and what is wrong is said with its place."""

import json
from pathlib import Path
from typing import Any

import pytest

from attridex.client.errors import UsageError
from attridex.client.records import in_batches, read_records

ROWS: list[dict[str, Any]] = [{"id": "a", "text": "x, y"}, {"id": "", "text": "z"}]


def write(path: Path) -> Path:
    if path.suffix == ".csv":
        path.write_text('id,text\na,"x, y"\n,z\n', encoding="utf-8-sig")
    elif path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(ROWS), path)
    else:
        path.write_text("\n\n".join(map(json.dumps, ROWS)) + "\n")
    return path


@pytest.mark.parametrize("kind", [".jsonl", ".ndjson", ".csv", ".parquet"])
def test_records_are_read_and_named_after_their_place(kind: str, tmp_path: Path) -> None:
    found = list(read_records(write(tmp_path / f"queries{kind}")))
    assert found == [{"id": "a", "text": "x, y"}, {"id": "query-1", "text": "z"}]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("q.txt", "x", "unknown kind"),
        ("q.jsonl", "", "no queries"),
        ("q.jsonl", '{"a": 1}\n{', r"q.jsonl:2:2: not valid JSON"),
        ("q.jsonl", "[1]", r"q.jsonl:1: a JSON object is needed, found list"),
        ("q.jsonl", '{"id": 1}\n{"id": "1"}', r"q.jsonl:2: duplicate id '1'"),
        ("q.csv", "id,text\n1", "q.csv:2: the line has not as many values"),
        ("q.csv", 'id,text\n1,"x', "not valid CSV"),
        ("q.parquet", "no", "not a readable Parquet file"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(name: str, content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=said):
        list(read_records(tmp_path / name))
    with pytest.raises(UsageError, match="no such query file"):
        list(read_records(tmp_path / "none.jsonl"))


@pytest.mark.parametrize("count", range(7))
def test_batches_are_full_but_the_last_and_hold_all_in_order(count: int) -> None:
    found = list(in_batches(range(count), 3))
    assert [item for batch in found for item in batch] == list(range(count))
    assert all(len(batch) == 3 for batch in found[:-1])
    assert all(found)
