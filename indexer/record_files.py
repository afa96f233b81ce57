"""Files of records, in JSONL, CSV or Parquet: what a corpus is read from, and queries."""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from attridex.indexer.errors import InputError


class PlacedRecord(NamedTuple):
    """A record and its place ("file:line"), for errors."""

    values: Mapping[str, Any]
    where: str


def read_record_file(path: Path) -> Iterator[PlacedRecord]:
    """Records of one file, by its suffix, one at a time.

    Raises:
        InputError: it is missing, of an unknown kind, or has a line that cannot be read (named).
    """
    readers = {".jsonl": read_jsonl, ".ndjson": read_jsonl, ".csv": read_csv, ".parquet": read_parquet}
    if path.suffix not in readers:
        raise InputError(f"{path}: unknown kind of file; use .jsonl, .csv or .parquet")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    yield from readers[path.suffix](path)


def read_jsonl(path: Path) -> Iterator[PlacedRecord]:
    """One JSON object a line; blank lines are skipped."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                values = json.loads(line)
            except ValueError as error:
                raise InputError(f"{path}:{number}: not valid JSON: {error}") from None
            if not isinstance(values, dict):
                raise InputError(f"{path}:{number}: a JSON object is needed, found {type(values).__name__}")
            yield PlacedRecord(values, f"{path}:{number}")


def read_csv(path: Path) -> Iterator[PlacedRecord]:
    """Comma-separated values with a header line."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, strict=True)
        try:
            for values in reader:
                where = f"{path}:{reader.line_num}"
                if None in values or None in values.values():
                    raise InputError(f"{where}: the line has not as many values as the header has columns")
                yield PlacedRecord(values, where)
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{path}:{reader.line_num + 1}: not valid CSV: {error}") from None


def read_parquet(path: Path) -> Iterator[PlacedRecord]:
    """Rows of a Parquet file, a batch at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as table:
            for batch in table.iter_batches(batch_size=1024):
                for values in batch.to_pylist():
                    number += 1
                    yield PlacedRecord(values, f"{path}:{number}")
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: not a readable Parquet file: {error}") from None
