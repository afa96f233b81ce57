"""Query files: records one at a time, from every kind of file that a corpus is read from, each with an id."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from attridex.client.errors import MissingPackageError, UsageError
from attridex.indexer.errors import InputError
from attridex.indexer.outputs import numbers_name, output_of
from attridex.indexer.readers.class_labels import ByName, all_names, classes_by_name
from attridex.indexer.readers.record_files import PlacedRecord, read_record_file
from attridex.indexer.readers.table_files import PLAIN
from attridex.indexer.readers.table_files import Dialect as Dialect
from attridex.indexer.task_kinds import MANY_ANSWERS
from attridex.v1.answers import IndexInfo

Item = TypeVar("Item")
Record = Mapping[str, Any]
"""A record with the corpus's columns, and its `id`."""
Line = dict[str, Any]
"""A JSON line that is written, one a query."""


def read_records(path: Path, dialect: Dialect = PLAIN, *, by_name: ByName = all_names) -> Iterator[Record]:
    """Records of a query file in order; one without an `id` is named after its place.

    Args:
        path: of the file.
        dialect: of CSV and TSV.
        by_name: which ClassLabel columns are read as names.

    Raises:
        UsageError: no such file, an unknown kind, a line that cannot be read, a duplicate id, or no record at all.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such query file")
    seen: set[str] = set()
    for number, (record, where) in enumerate(placed_records(path, dialect, by_name=by_name)):
        identity = f"query-{number}" if record.get("id") in (None, "") else str(record["id"])
        if identity in seen:
            raise UsageError(f"{where}: duplicate id '{identity}'")
        seen.add(identity)
        yield {**record, "id": identity}
    if not seen:
        raise UsageError(f"{path}: no queries in it")


def indexed_records(path: Path, dialect: Dialect, index: IndexInfo) -> Iterator[Record]:
    """Records of a query file, read as the corpus of an index was; see `read_records`.

    Of the first whose label is the name of one output and would be the number of another, it says so on stderr.
    """
    corpus: Mapping[str, Any] = index.manifest["config"]["corpus"]
    silent = index.task in MANY_ANSWERS or bool(corpus.get("encoded")) or not numbers_name(index.labels)
    for record in read_records(path, dialect, by_name=classes_by_name(corpus, index.task)):
        label = record.get(corpus["label"])
        place = None if silent or isinstance(label, bool) or not isinstance(label, int) else output_of(label, index.labels)
        if place is not None and place != label:
            silent = True
            sys.stderr.write(
                f"query '{record['id']}': label {label} is read as the output called '{label}', which is number {place}; numbers "
                "of a ClassLabel (as Dataset.to_json writes them) would be others: write names\n"
            )
        yield record


def placed_records(path: Path, dialect: Dialect, *, by_name: ByName) -> Iterator[PlacedRecord]:
    """Records of a file, see `read_records`; what is wrong with it is an error of the client."""
    try:
        yield from read_record_file(path, dialect=dialect, by_name=by_name)
    except InputError as error:
        raise UsageError(str(error)) from None
    except ModuleNotFoundError:
        raise MissingPackageError(f"{path}: reading it needs pyarrow: pip install pyarrow") from None


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Items in groups, the last of which may be smaller."""
    stream = iter(items)
    while batch := list(islice(stream, size)):
        yield batch
