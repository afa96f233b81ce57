"""A record comes with its place, whatever the kind of file and however it is packed, and what is wrong is said there."""

import bz2
import gzip
import lzma
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pytest

from attridex.indexer.errors import InputError
from attridex.indexer.readers.record_files import PlacedRecord, read_record_file
from attridex.indexer.readers.table_files import Dialect

KINDS: Mapping[str, str] = {
    "a.jsonl": '\n{"text": "x, y"}\n{"text": "\\u00e9"}\n',
    "a.ndjson": '\ufeff\r\n{"text": "x, y"}\r\n{"text": "é"}',
    "a.json": ' [\n{"text":\t"x, y"},\n {"text": "é"}]\n ',
    "b.json": '\n{"text": "x, y"}\n{"text": "é"}\n',
    "a.csv": 'text\n"x, y"\né\n',
    "A.TSV": "\ufefftext\nx, y\né\n",
}
PACK: Mapping[str, Callable[[bytes], bytes]] = {
    "": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress,
    ".zst": lambda content: pa.compress(content, codec="zstd", asbytes=True),
}  # fmt: skip


@pytest.mark.parametrize("packed", PACK)
@pytest.mark.parametrize("name", KINDS)
def test_a_record_stands_at_its_line_however_it_is_packed(name: str, packed: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}{packed}"
    path.write_bytes(PACK[packed](KINDS[name].encode()))
    found = list(read_record_file(path))
    assert found == [PlacedRecord({"text": "x, y"}, f"{path}:2"), PlacedRecord({"text": "é"}, f"{path}:3")]


@pytest.mark.parametrize("packed", sorted({*PACK} - {""}))
def test_a_packed_file_that_is_cut_short_or_damaged_is_never_a_shorter_one(packed: str, tmp_path: Path) -> None:
    content = PACK[packed](b"".join(b'{"a": %d}\n' % number for number in range(5000)))
    for broken in (content[:-1], content[: len(content) // 2], b"no such format", content + content[:40]):
        path = tmp_path / f"a.jsonl{packed}"
        path.write_bytes(broken)
        with pytest.raises(InputError, match=r"a\.jsonl\.\w+: cannot be read, it is damaged or cut short"):
            list(read_record_file(path))


def test_frames_one_behind_the_other_are_all_read(tmp_path: Path) -> None:
    for packed in (".gz", ".zst", ".bz2", ".xz"):
        path = tmp_path / f"a.jsonl{packed}"
        path.write_bytes(PACK[packed](b'{"a": 1}\n') + PACK[packed](b'{"a": 2}\n'))
        assert [record.values["a"] for record in read_record_file(path)] == [1, 2]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", b"", r"a\.txt: unknown kind of file; use \.jsonl"),
        ("a.parquet.gz", b"", "unknown kind of file"),
        ("gz", b"", "unknown kind of file"),
        ("a.csv", b"a,b\n1", "a.csv:2: the line has not as many"),
        ("a.csv", b"a,b,a\n", "a.csv:1: the column 'a' stands twice"),
        ("a.csv", b"a;b\n1;2\n", "a.csv:1: the header is one column, 'a;b'; is the delimiter ';'"),
        ("a.csv", b'a,b\n1,"2\n', "a.csv:2: not valid CSV"),
        ("a.tsv", b'a\tb\n1\t"x\n2\ty"\n', "a.tsv:2: a value begins with a quote"),
        ("a.csv", b"a,b\n1,\xff\n", "not valid CSV: 'utf-8' codec"),
        ("a.jsonl", b"[]", "a.jsonl:1: a JSON object is needed, found list"),
        ("a.json", b'[{"a": 1},\n 5]', "a.json:2: a JSON object is needed, found int"),
        ("a.parquet", b"no table", "not a readable Parquet file"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        list(read_record_file(tmp_path / name))
    with pytest.raises(InputError, match="no such file"):
        list(read_record_file(tmp_path / "none.csv"))


QUOTED = 'a\tb\n"x\t1\n"y" z\t2\n'
"""As the files of GLUE are: a quote is a letter."""


def test_quotes_of_a_tsv_are_read_as_it_says_and_never_guessed(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(QUOTED)
    found = [record.values for record in read_record_file(tmp_path / "a.tsv", dialect=Dialect(quoting="none"))]
    assert found == [{"a": '"x', "b": "1"}, {"a": '"y" z', "b": "2"}]
    with pytest.raises(InputError, match=r"a\.tsv:2: a value begins with a quote: say .*corpus\.quoting"):
        list(read_record_file(tmp_path / "a.tsv"))
    (tmp_path / "b.tsv").write_text('a\tb\n"x\ty"\t"1"\n')
    found = [record.values for record in read_record_file(tmp_path / "b.tsv", dialect=Dialect(quoting="minimal"))]
    assert found == [{"a": "x\ty", "b": "1"}]
    with pytest.raises(InputError, match=r"quoting 'all' is none; give minimal or none"):
        list(read_record_file(tmp_path / "b.tsv", dialect=Dialect(quoting="all")))


def test_a_delimiter_is_the_one_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a;b\n1,5;2\n" + "x" * 200_000 + ";3\n")
    found = [record.values for record in read_record_file(tmp_path / "a.csv", dialect=Dialect(";"))]
    assert found == [{"a": "1,5", "b": "2"}, {"a": "x" * 200_000, "b": "3"}]
