"""JSON that is wrong is refused with file, line and column; nothing that is ambiguous is read silently."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attridex.indexer.errors import InputError
from attridex.indexer.readers.json_files import list_items
from attridex.indexer.readers.record_files import read_record_file

VALUES = st.dictionaries(
    st.text(max_size=3), st.one_of(st.integers(), st.text(max_size=4), st.lists(st.none(), max_size=2)), max_size=3
)


@given(st.lists(VALUES, max_size=5), st.sampled_from([None, 0, 2]))
def test_the_values_of_a_list_are_those_that_json_reads(values: list[Any], indent: int | None) -> None:
    text = json.dumps(values, indent=indent)
    found = list(list_items(text, Path("x")))
    assert [item.value for item in found] == values
    assert [json.loads(item.text) for item in found] == values
    assert [item.line for item in found] == sorted(item.line for item in found)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", b'{"a": 1}\n{"a" 2}\n', r":2:6: not valid JSON: Expecting ':' delimiter"),
        ("a.jsonl", b'{"a": 1, }\n', r":1:10: not valid JSON"),
        ("a.jsonl", b'{"a": 1}\n{"a": "\xff"}\n', r":2:8: not UTF-8 \(byte 0xff\)"),
        ("a.jsonl", '{"é": "'.encode() + b"\xff", r":1:8: not UTF-8"),
        ("a.jsonl", b'{"a": 1}\n{"a": 1, "a": 2}\n', r":2: the key 'a' stands twice in an object"),
        ("a.jsonl", b'{"a": {"b": 1, "b": 1}}\n', r":1: the key 'b' stands twice"),
        ("a.jsonl", b"[" * 100_000, r":1: not valid JSON: nested too deeply"),
        ("a.jsonl", b'{"a": ' + b"9" * 5000 + b"}", r":1: not valid JSON: Exceeds the limit"),
        ("a.jsonl", b'{"a": 1}\n{"t": "x \\ud800 y"}\n', r":2: column 't' holds half of a surrogate pair \(\\ud800\)"),
        ("a.jsonl", b'{"a": [{"\\udc00": 1}]}\n', r":1: column 'a' holds half of a surrogate pair \(\\udc00\)"),
        ("a.jsonl", b'{"\\udb2": 1}\n', r":1:\d+: not valid JSON"),
        ("a.json", b'[{"a": 1},\n {"a" 2}\n]', r":2:7: not valid JSON: Expecting ':' delimiter"),
        ("a.json", b'[{"a": 1}\n {"a": 2}\n]', r":2:2: not valid JSON: Expecting ',' delimiter"),
        ("a.json", b'[{"a": 1},\n]', r":2:1: not valid JSON: Expecting value"),
        ("a.json", b'[{"a": 1}] x', r":1:12: not valid JSON: Extra data"),
        ("a.json", b"[", r":1:2: not valid JSON"),
        ("a.json", b'[{"a": 1},\n {"a": "\xff"}]', r":2:9: not UTF-8"),
        ("a.json", b'[\n{"a": 1, "a": 1}]', r":2: the key 'a' stands twice"),
        ("a.json", b'[\n{"a": "\\ud83d"}]', r":2: column 'a' holds half of a surrogate pair"),
    ],
)
def test_what_is_wrong_is_said_with_line_and_column(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}{said}") as raised:
        list(read_record_file(tmp_path / name))
    assert len(str(raised.value).splitlines()) == 1


def test_whole_pairs_and_separators_of_unicode_are_text(tmp_path: Path) -> None:
    texts = ["\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "a\u2028b\x85c\x0bd", "\\ud800"]
    for escaped in (True, False):
        (tmp_path / "a.jsonl").write_text("".join(json.dumps({"t": text}, ensure_ascii=escaped) + "\n" for text in texts))
        assert [record.values["t"] for record in read_record_file(tmp_path / "a.jsonl")] == texts
