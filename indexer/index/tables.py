"""The Parquet tables of a shard: its instances, the neurons that they keep, and what the model reads of them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from attridex.indexer.errors import AGAIN, DamageError, first_line
from attridex.indexer.held.files import Source, path_of, readable
from attridex.indexer.index.layout import OWN_COLUMNS

ARROW = {
    "VARCHAR": pa.string(), "DOUBLE": pa.float64(), "INTEGER": pa.int32(), "BIGINT": pa.int64(), "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(), "TIME": pa.time64("us"), "TIMESTAMP": pa.timestamp("us"),
}  # fmt: skip
"""Arrow's types by DuckDB's, lists and decimals apart."""
Row = Mapping[str, object]
"""Values of a record by its columns."""
NEURON_SCHEMA = pa.schema(
    [("row", pa.int32()), ("neuron", pa.int32()), ("score", pa.float32()), ("rank", pa.int32()), ("weight", pa.float64())]
)
IDS = pa.list_(pa.int32())
ENCODING_SCHEMA = pa.schema(
    [
        ("id", pa.string()), ("content_hash", pa.string()), ("sequences", pa.list_(IDS)), ("types", pa.list_(IDS)),
        ("label", pa.int32()), ("reads", IDS), ("wanted", IDS), ("outputs", pa.list_(pa.string())), ("truncated", pa.bool_()),
        ("goals", pa.list_(pa.float64())), ("answer", pa.string()),
    ]
)  # fmt: skip
"""See `corpus.instances.RenderedInstance`."""
SOURCE = pa.field("source", IDS)
"""Behind those columns where an encoder reads something else than its decoder."""
ENCODINGS_GROUP = 64
"""Encodings that are read together where one is wanted."""
BATCH = 1 << 18
"""Rows of a neurons table that are held at a time."""


class Digits(NamedTuple):
    """Digits of a decimal number before and behind its point."""

    whole: int
    scale: int


def decimal_type(digits: int, scale: int) -> str:
    """DuckDB's decimal type of so many digits, `scale` of them behind the point."""
    return f"DECIMAL({max(digits, 1)},{scale})"


def digits_of(value: Decimal | str) -> Digits:
    """Digits of a finite decimal number, or those that a decimal type has."""
    if isinstance(value, Decimal):
        _, written, exponent = value.as_tuple()
        return Digits(max(len(written) + int(exponent), 0), max(-int(exponent), 0))
    digits, scale = map(int, re.findall(r"\d+", value))
    return Digits(digits - scale, scale)


def arrow_type(kind: str) -> pa.DataType:
    """Arrow's type for one of DuckDB's."""
    if kind.endswith("[]"):
        return pa.list_(arrow_type(kind.removesuffix("[]")))
    if kind in ARROW:
        return ARROW[kind]
    whole, scale = digits_of(kind)
    return pa.decimal128(whole + scale, scale)


def write_instances(path: Path, columns: Mapping[str, str], rows: Sequence[Row]) -> None:
    """Write a shard's instances; `columns` gives the DuckDB type of each of the corpus's columns."""
    kinds = {**OWN_COLUMNS, **columns}
    schema = pa.schema([(name, arrow_type(kind)) for name, kind in kinds.items()])
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path, compression="zstd")


@contextmanager
def sound(source: Source) -> Iterator[None]:
    """Read a file in the block.

    Raises:
        DamageError: it is missing, or Arrow cannot.
    """
    try:
        yield
    except FileNotFoundError:
        raise DamageError(f"{path_of(source)}: missing; {AGAIN}") from None
    except (pa.ArrowException, IndexError) as error:
        raise DamageError(f"{path_of(source)}: damaged, no table can be read from it ({first_line(error)})") from None


def read_table(source: Source, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table, or some columns of it; see `sound` for what this and the others here raise."""
    with sound(source):
        return pq.read_table(readable(source), columns=columns if columns is None else list(columns))


def write_neurons(path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    """Write a shard's kept neurons, instance by instance in descending score."""
    pq.write_table(pa.table(dict(columns), schema=NEURON_SCHEMA), path)


def neuron_batches(source: Source) -> Iterator[pa.RecordBatch]:
    """A shard's kept neurons, a batch at a time."""
    with sound(source), pq.ParquetFile(readable(source)) as stored:
        yield from stored.iter_batches(batch_size=BATCH)


def count_neurons(source: Source) -> int:
    """How many neurons a shard's instances keep, summed over them."""
    with sound(source):
        return int(pq.read_metadata(readable(source)).num_rows)


def write_encodings(path: Path, rows: Sequence[Row]) -> None:
    """Write a shard's encodings, in the order of its instances."""
    schema = ENCODING_SCHEMA.append(SOURCE) if any(SOURCE.name in row for row in rows) else ENCODING_SCHEMA
    table = pa.Table.from_pylist(list(rows), schema=schema)
    pq.write_table(table, path, compression="zstd", row_group_size=ENCODINGS_GROUP)


def read_encoding(source: Source, row: int) -> dict[str, Any]:
    """The encoding of one instance; `row` is counted from the shard's first."""
    with sound(source), pq.ParquetFile(readable(source)) as stored:
        group, inside = divmod(row, ENCODINGS_GROUP)
        found: dict[str, Any] = stored.read_row_group(group).slice(inside, 1).to_pylist()[0]
        return found
