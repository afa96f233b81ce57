"""Tables: CSV, TSV and Parquet, a record a row."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

from attridex.indexer.errors import InputError, first_line
from attridex.indexer.readers.class_labels import ByName, all_names, chosen_features, named_columns, parquet_features
from attridex.indexer.readers.placed_records import PlacedRecord
from attridex.indexer.readers.values import Cell, singles


class Dialect(NamedTuple):
    """How tables are written.

    Attributes:
        delimiter: between the columns; a comma, of TSV a tab, where it is None.
        quoting: "minimal" where values may stand in quotes, "none" where a quote is a letter as others; where it is None
            "minimal", but that a TSV with a value that begins with a quote is refused, for either is common.
    """

    delimiter: str | None = None
    quoting: str | None = None


PLAIN = Dialect()
QUOTING: Mapping[str | None, Literal[0, 3]] = {None: csv.QUOTE_MINIMAL, "minimal": csv.QUOTE_MINIMAL, "none": csv.QUOTE_NONE}
"""What the `csv` module calls each."""
DELIMITERS = {".csv": ",", ".tsv": "\t"}
"""Between the columns of tables, by their suffix."""
LONGEST = 2**31 - 1
"""Characters of a value in CSV at most."""
NO_DELIMITERS = '"\r\n'
"""What parts lines, and what stands around values."""


def read_csv(path: Path, stream: BinaryIO, kind: str, dialect: Dialect) -> Iterator[PlacedRecord]:
    """Values between delimiters, with a header line.

    Args:
        path: of the file.
        stream: its bytes.
        kind: its suffix.
        dialect: how it is written.
    """
    delimiter = DELIMITERS[kind] if dialect.delimiter is None else dialect.delimiter
    if delimiter in NO_DELIMITERS or len(delimiter) != 1:
        raise InputError(
            f"{path}: {delimiter!r} parts no columns; give one character (corpus.delimiter, --delimiter), a .tsv needs none"
        )
    if dialect.quoting not in QUOTING:
        raise InputError(f"{path}: quoting {dialect.quoting!r} is none; give minimal or none (corpus.quoting, --quoting)")
    csv.field_size_limit(LONGEST)
    with io.TextIOWrapper(stream, "utf-8-sig", newline="") as text:
        doubted = kind == ".tsv" and dialect.quoting is None
        lines = without_quotes(text, delimiter, path) if doubted else text
        reader = csv.DictReader(lines, strict=True, delimiter=delimiter, quoting=QUOTING[dialect.quoting])
        try:
            check_header(reader.fieldnames or [], delimiter, f"{path}:1")
            for values in reader:
                where = f"{path}:{reader.line_num}"
                if None in values or None in values.values():
                    raise InputError(f"{where}: the line has not as many values as the header has columns")
                yield PlacedRecord({name: Cell(value) for name, value in values.items()}, where)
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{path}:{reader.line_num + 1}: not valid CSV: {error}") from None


def without_quotes(lines: Iterable[str], delimiter: str, path: Path) -> Iterator[str]:
    """Lines of which no value begins with a quote.

    Raises:
        InputError: one does: whether quotes stand around the value, or belong to it, cannot be known.
    """
    for number, line in enumerate(lines, 1):
        if line.startswith('"') or f'{delimiter}"' in line:
            raise InputError(
                f"{path}:{number}: a value begins with a quote: say whether quotes belong to the values (corpus.quoting = "
                '"none", --quoting none, as in the files of GLUE) or stand around them ("minimal", as pandas writes them)'
            )
        yield line


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


def read_parquet(path: Path, *, by_name: ByName = all_names) -> Iterator[PlacedRecord]:
    """Rows of a Parquet file, a batch at a time; classes as their names where that is wanted."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as table:
            check_twins(table.schema_arrow.names, str(path))
            features = chosen_features(parquet_features(table.schema_arrow.metadata), by_name)
            short = [field.name for field in table.schema_arrow if is_single(field.type)]
            for batch in table.iter_batches(batch_size=1024):
                for values in batch.to_pylist():
                    number += 1
                    known = {**values, **{name: singles(values[name]) for name in short}} if short else values
                    yield PlacedRecord(named_columns(known, features), f"{path}:{number}")
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise InputError(f"{path}: not a readable Parquet file: {first_line(error)}") from None


def is_single(kind: Any) -> bool:
    """Whether an Arrow type is of floats of single precision or less, alone or in lists."""
    import pyarrow.types as kinds

    if kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind):
        return is_single(kind.value_type)
    return bool(kinds.is_float32(kind) or kinds.is_float16(kind))


def parquet_schema(path: Path) -> Any:
    """Schema of a Parquet file; None where it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_schema(path)
    except (pa.ArrowException, OSError):
        return None
