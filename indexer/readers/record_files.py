"""Files of records, in JSONL, JSON, CSV, TSV or Parquet, also compressed: what a corpus is read from, and queries."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, cast

from attridex.indexer.errors import InputError, first_line
from attridex.indexer.readers.class_labels import ByName, all_names
from attridex.indexer.readers.json_files import read_json, read_jsonl
from attridex.indexer.readers.placed_records import PlacedRecord
from attridex.indexer.readers.table_files import PLAIN, Dialect, read_csv, read_parquet

__all__ = ["PlacedRecord", "read_record_file"]

KINDS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
"""Kinds of files that are read, by their suffix."""
READABLE = "use .jsonl, .json, .csv, .tsv or .parquet; but for Parquet also with .gz, .zst, .bz2 or .xz behind it"


def read_record_file(path: Path, *, dialect: Dialect = PLAIN, by_name: ByName = all_names) -> Iterator[PlacedRecord]:
    """Records of one file, by its suffix, one at a time.

    Args:
        path: of the file.
        dialect: of CSV and TSV.
        by_name: which ClassLabel columns of Parquet, which `datasets` wrote, are read as names, not as numbers.

    Raises:
        InputError: it is missing, of an unknown kind, or has a line that cannot be read (named).
    """
    kind, packed = kind_of(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if kind == ".parquet":
        yield from read_parquet(path, by_name=by_name)
        return
    try:
        with opened(path, packed) as stream:
            match kind:
                case ".csv" | ".tsv":
                    yield from read_csv(path, stream, kind, dialect)
                case ".json":
                    yield from read_json(path, stream)
                case _:
                    yield from read_jsonl(path, stream)
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"{path}: cannot be read, it is damaged or cut short: {first_line(error)}") from None


def kind_of(path: Path) -> tuple[str, str]:
    """Suffix of a file's kind, and that of its compression, which may be none.

    Raises:
        InputError: it is none that is read.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    packed = suffixes.pop() if suffixes and suffixes[-1] in OPENERS else ""
    kind = suffixes[-1] if suffixes else ""
    if kind not in KINDS or (packed and kind == ".parquet"):
        raise InputError(f"{path}: unknown kind of file; {READABLE}")
    return kind, packed


def opened(path: Path, packed: str) -> BinaryIO:
    """The bytes of a file, unpacked."""
    return OPENERS[packed](path) if packed else path.open("rb")


def open_zst(path: Path) -> BinaryIO:
    """The bytes of a file that zstd packed."""
    import pyarrow as pa

    return cast("BinaryIO", io.BufferedReader(pa.input_stream(str(path), compression="zstd")))


OPENERS: Mapping[str, Callable[[Path], BinaryIO]] = {
    ".gz": lambda path: cast("BinaryIO", gzip.GzipFile(path)),
    ".zst": open_zst,
    ".bz2": lambda path: cast("BinaryIO", bz2.BZ2File(path)),
    ".xz": lambda path: cast("BinaryIO", lzma.LZMAFile(path)),  # noqa: SIM115 - who opens it closes it
}
"""What opens a packed file, by its last suffix."""
