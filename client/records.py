"""Query files: records one at a time, from every kind of file that a corpus is read from, each with an id."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from attridex.client.errors import MissingPackageError, UsageError
from attridex.indexer.errors import InputError
from attridex.indexer.readers.class_labels import ByName, all_names
from attridex.indexer.readers.record_files import PlacedRecord, read_record_file

Item = TypeVar("Item")
Record = Mapping[str, Any]
"""A record with the corpus's columns, and its `id`."""
Line = dict[str, Any]
"""A JSON line that is written, one a query."""


def read_records(path: Path, delimiter: str | None = None, *, by_name: ByName = all_names) -> Iterator[Record]:
    """Records of a query file in order; one without an `id` is named after its place.

    Args:
        path: of the file.
        delimiter: between the columns of CSV and TSV; a comma or a tab unless given.
        by_name: which ClassLabel columns are read as names.

    Raises:
        UsageError: no such file, an unknown kind, a line that cannot be read, a duplicate id, or no record at all.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such query file")
    seen: set[str] = set()
    for number, (record, where) in enumerate(placed_records(path, delimiter, by_name=by_name)):
        identity = f"query-{number}" if record.get("id") in (None, "") else str(record["id"])
        if identity in seen:
            raise UsageError(f"{where}: duplicate id '{identity}'")
        seen.add(identity)
        yield {**record, "id": identity}
    if not seen:
        raise UsageError(f"{path}: no queries in it")


def placed_records(path: Path, delimiter: str | None, *, by_name: ByName) -> Iterator[PlacedRecord]:
    """Records of a file, see `read_records`; what is wrong with it is an error of the client."""
    try:
        yield from read_record_file(path, delimiter=delimiter, by_name=by_name)
    except InputError as error:
        raise UsageError(str(error)) from None
    except ModuleNotFoundError:
        raise MissingPackageError(f"{path}: reading it needs pyarrow: pip install pyarrow") from None


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Items in groups, the last of which may be smaller."""
    stream = iter(items)
    while batch := list(islice(stream, size)):
        yield batch
