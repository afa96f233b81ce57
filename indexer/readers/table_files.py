"""Tables: CSV, TSV and Parquet, a record a row."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from attridex.indexer.errors import InputError, first_line
from attridex.indexer.readers.class_labels import Features, named_columns, parquet_features
from attridex.indexer.readers.placed_records import PlacedRecord

LONGEST = 2**31 - 1
"""Characters of a value in CSV at most."""
SPANS = (
    "a value in quotes runs over several lines; if quotes are plain text, double each and put the value in quotes, "
    'if it is one value, name the file .csv, with delimiter = "\\t"'
)
"""Said of a TSV, where a quote is as often plain text, which would join rows."""
NO_DELIMITERS = '"\r\n'
"""What parts lines, and what stands around values."""


def read_csv(path: Path, stream: BinaryIO, delimiter: str) -> Iterator[PlacedRecord]:
    """Values between delimiters, with a header line."""
    if delimiter in NO_DELIMITERS or len(delimiter) != 1:
        raise InputError(
            f"{path}: {delimiter!r} parts no columns; give one character (corpus.delimiter, --delimiter), a .tsv needs none"
        )
    csv.field_size_limit(LONGEST)
    with io.TextIOWrapper(stream, "utf-8-sig", newline="") as text:
        reader = csv.DictReader(text, strict=True, delimiter=delimiter)
        try:
            check_header(reader.fieldnames or [], delimiter, f"{path}:1")
            for values in reader:
                where = f"{path}:{reader.line_num}"
                if ".tsv" in path.name.lower() and any("\n" in str(value) or "\r" in str(value) for value in values.values()):
                    raise InputError(f"{where}: {SPANS}")
                if None in values or None in values.values():
                    raise InputError(f"{where}: the line has not as many values as the header has columns")
                yield PlacedRecord(values, where)
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{path}:{reader.line_num + 1}: not valid CSV: {error}") from None


def check_header(names: Sequence[str], delimiter: str, where: str) -> None:
    """Refuse a header that names a column twice, or that another delimiter would cut."""
    check_twins(names, where)
    others = [other for other in ",;\t|" if other != delimiter and other in names[0]] if len(names) == 1 else []
    if others:
        raise InputError(
            f"{where}: the header is one column, {names[0]!r}; is the delimiter {others[0]!r}? (corpus.delimiter, --delimiter)"
        )


def check_twins(names: Sequence[str], where: str) -> None:
    """Refuse two columns of one name."""
    twins = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twins:
        raise InputError(f"{where}: the column '{twins[0]}' stands twice; rename one")


def read_parquet(path: Path, *, class_names: bool = True) -> Iterator[PlacedRecord]:
    """Rows of a Parquet file, a batch at a time; ClassLabel columns as their names unless told otherwise."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as table:
            check_twins(table.schema_arrow.names, str(path))
            features: Features = parquet_features(table.schema_arrow.metadata) if class_names else {}
            for batch in table.iter_batches(batch_size=1024):
                for values in batch.to_pylist():
                    number += 1
                    yield PlacedRecord(named_columns(values, features), f"{path}:{number}")
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise InputError(f"{path}: not a readable Parquet file: {first_line(error)}") from None


def parquet_schema(path: Path) -> Any:
    """Schema of a Parquet file; None where it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_schema(path)
    except (pa.ArrowException, OSError):
        return None
