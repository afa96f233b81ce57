"""What an index of a training keeps beside its shards: the encoded rows, and the configuration that goes on with them."""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from attridex.indexer.errors import InputError, first_line

ROWS, MODEL, CONFIG = "rows.parquet", "model", "config.toml"
BATCH = 1024
"""Rows that are held at a time."""


def write_rows(path: Path, rows: Iterator[Mapping[str, Any]]) -> int:
    """Write rows as a Parquet file; how many.

    Raises:
        InputError: there are none, or a column holds values of several kinds.
    """
    count, writer = 0, None
    try:
        for part in batches(rows):
            try:
                table = pa.Table.from_pylist(part, schema=writer.schema if writer else None)
            except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
                raise InputError(f"train_dataset, rows from {count}: a column is not of one kind: {first_line(error)}") from None
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)
            count += len(part)
    finally:
        if writer:
            writer.close()
    if not count:
        raise InputError("from_trainer: train_dataset has no row with a loss")
    return count


def batches(rows: Iterator[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Rows, some at a time, all with the columns of the first.

    Raises:
        InputError: a row has others.
    """
    names: set[str] = set()
    while part := list(islice(rows, BATCH)):
        names = names or set(part[0])
        for row in part:
            if odd := sorted(names ^ set(row)):
                raise InputError(
                    f"train_dataset, row {row['id']}: the collator gives '{odd[0]}' for some rows only; give it for all"
                )
        yield part


def toml(data: Mapping[str, Mapping[str, Any]]) -> str:
    """A configuration as TOML; values that are None are left out."""
    lines = []
    for section, values in data.items():
        lines += [f"[{section}]", *(f"{key} = {value_text(value)}" for key, value in values.items() if value is not None), ""]
    return "\n".join(lines)


def value_text(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{value_text(key)} = {value_text(own)}" for key, own in value.items() if own is not None) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(value_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # which JSON leaves as it is
