"""Query files: records one at a time, from JSONL, CSV or Parquet, each with an id."""

import csv
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from attridex.client.errors import MissingPackageError, UsageError

Item = TypeVar("Item")


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """Records of a query file in order; one without an `id` is named after its place.

    Raises:
        UsageError: no such file, an unknown kind, a line that cannot be read, a duplicate id, or no record at all.
    """
    readers = {".jsonl": read_jsonl, ".ndjson": read_jsonl, ".csv": read_csv, ".parquet": read_parquet}
    if not path.is_file():
        raise UsageError(f"{path}: no such query file")
    if path.suffix not in readers:
        raise UsageError(f"{path}: unknown kind of file; use .jsonl, .csv or .parquet")
    seen: set[str] = set()
    for number, (record, where) in enumerate(readers[path.suffix](path)):
        identity = record.get("id")
        record["id"] = f"query-{number}" if identity in (None, "") else str(identity)
        if record["id"] in seen:
            raise UsageError(f"{where}: duplicate id '{record['id']}'")
        seen.add(record["id"])
        yield record
    if not seen:
        raise UsageError(f"{path}: no queries in it")


def read_jsonl(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """One JSON object a line; blank lines are skipped."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            where = f"{path}:{number}"
            try:
                record = json.loads(line)
            except ValueError as error:
                raise UsageError(f"{where}: not valid JSON: {error}") from None
            if not isinstance(record, dict):
                raise UsageError(f"{where}: a JSON object is needed, found {type(record).__name__}")
            yield record, where


def read_csv(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """Comma-separated values with a header line."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, strict=True)
        try:
            for record in reader:
                where = f"{path}:{reader.line_num}"
                if None in record or None in record.values():
                    raise UsageError(f"{where}: the line has not as many values as the header has columns")
                yield dict(record), where
        except (csv.Error, UnicodeDecodeError) as error:
            raise UsageError(f"{path}:{reader.line_num + 1}: not valid CSV: {error}") from None


def read_parquet(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """Rows of a Parquet file."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        raise MissingPackageError(f"{path}: reading Parquet needs pyarrow: pip install pyarrow") from None
    number = 0
    try:
        with pq.ParquetFile(path) as table:
            for batch in table.iter_batches(batch_size=1024):
                for record in batch.to_pylist():
                    number += 1
                    yield record, f"{path}:{number}"
    except (pa.ArrowInvalid, OSError) as error:
        raise UsageError(f"{path}: not a readable Parquet file: {error}") from None


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Items in groups, the last of which may be smaller."""
    stream = iter(items)
    while batch := list(islice(stream, size)):
        yield batch
