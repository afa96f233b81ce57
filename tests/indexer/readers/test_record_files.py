"""A record comes with its place, whatever the kind of file, and what is wrong is said there."""

from pathlib import Path

import pytest

from attridex.indexer.errors import InputError
from attridex.indexer.readers.record_files import PlacedRecord, read_record_file


@pytest.mark.parametrize(("name", "content"), [("a.jsonl", '\n{"text": "x, y"}\n'), ("a.csv", 'text\n"x, y"\n')])
def test_a_record_stands_at_its_line(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    assert list(read_record_file(tmp_path / name)) == [PlacedRecord({"text": "x, y"}, f"{tmp_path / name}:2")]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", "", "unknown kind of file"),
        ("a.csv", "a,b\n1", "a.csv:2: the line"),
        ("a.jsonl", "[]", "a.jsonl:1: a JSON object"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(name: str, content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=said):
        list(read_record_file(tmp_path / name))
    with pytest.raises(InputError, match="no such file"):
        list(read_record_file(tmp_path / "none.csv"))
