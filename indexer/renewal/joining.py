"""Values of new columns from a file of records, joined with the rows of an index by id."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from attridex.indexer.corpus.columns import RULES
from attridex.indexer.errors import InputError, nearest
from attridex.indexer.index.deletes import NamedRow
from attridex.indexer.index.layout import is_reserved, shown_name
from attridex.indexer.index.records import Manifest
from attridex.indexer.index.tables import arrow_type
from attridex.indexer.lifecycle.added import AddedColumns
from attridex.indexer.readers.placed_records import PlacedRecord
from attridex.indexer.readers.record_files import read_record_file
from attridex.indexer.readers.table_files import PLAIN, Dialect

RULE = RULES[2]
"""How columns get their types and values."""
Records = Mapping[str, PlacedRecord]
"""Records by their ids."""


class Wanted(NamedTuple):
    """What is to be added.

    Attributes:
        path: of a file of records.
        id: its column of ids; that of the corpus, or "id", where None.
        columns: those that are taken; all but the id where None.
        partial: whether instances may have no record, and records no instance.
        replace: whether columns that were added before may be replaced.
        dialect: of CSV and TSV.
    """

    path: Path
    id: str | None = None
    columns: Sequence[str] | None = None
    partial: bool = False
    replace: bool = False
    dialect: Dialect = PLAIN


def by_id(wanted: Wanted, column: str) -> dict[str, PlacedRecord]:
    """Records of a file by their ids.

    Raises:
        InputError: a record has no id, an id stands twice, or there is no record.
    """
    records: dict[str, PlacedRecord] = {}
    for record in read_record_file(wanted.path, dialect=wanted.dialect):
        value = record.values.get(column)
        if value in (None, "") or isinstance(value, bool | list | dict | bytes) or value != value:
            raise InputError(f"{record.where}: no id in column '{column}' (--id names it); {nearest(column, record.values)}")
        name = str(value)
        if name in records:
            raise InputError(f"{record.where}: id '{name}' stood before, at {records[name].where}; one record an id is needed")
        records[name] = record
    if not records:
        raise InputError(f"{wanted.path}: no records there")
    return records


def chosen(wanted: Wanted, manifest: Manifest, records: Records) -> list[str]:
    """Names of the columns that are taken.

    Raises:
        InputError: there are none, or one cannot be added.
    """
    identity = wanted.id or manifest.config.corpus.id or "id"
    there = dict.fromkeys(name for record in records.values() for name in record.values if name != identity)
    for name in wanted.columns or ():
        if name not in there:
            raise InputError(f"{wanted.path}: no column '{name}' (--columns); {nearest(name, there)}")
    names = list(dict.fromkeys(wanted.columns or there))
    if not names:
        raise InputError(f"{wanted.path}: no column beside '{identity}'")
    taken: dict[str, str] = {}
    for name in names:
        check_name(name, wanted, manifest)
        if taken.setdefault(name.lower(), name) != name:
            raise InputError(f"{wanted.path}: the columns '{taken[name.lower()]}' and '{name}' differ only in case; rename one")
    return names


def check_name(name: str, wanted: Wanted, manifest: Manifest) -> None:
    """Refuse a name that the instances cannot have, or have already.

    Raises:
        InputError: see there.
    """
    if not name.strip() or is_reserved(name) or shown_name(name) != name:
        raise InputError(
            f"{wanted.path}: the column '{name}' has a name that attridex uses itself; rename it, or choose by --columns"
        )
    same = next((known for known, _ in manifest.columns if known.lower() == name.lower()), None)
    if same is None or (same == name and name in manifest.added and wanted.replace):
        return
    if same in manifest.added:
        raise InputError(f"{wanted.path}: the column '{same}' was added before; --replace puts this one in its place")
    raise InputError(f"{wanted.path}: the column '{same}' is the corpus's own; rename it here, or choose others by --columns")


def record_of(row: NamedRow, records: Records, wanted: Wanted) -> PlacedRecord | None:
    """The record of an instance, or of the document or record that it is a part of.

    Raises:
        InputError: both have one.
    """
    own, owner = records.get(row.id), records.get(row.owner)
    if own and owner and own is not owner:
        raise InputError(
            f"{wanted.path}: '{row.id}' has a record, and so has '{row.owner}', which it is a part of; leave one out"
        )
    return own or owner


def check_whole(path: Path, unknown: Sequence[str], without: Sequence[str]) -> None:
    """Refuse records without an instance, and instances without a record.

    Raises:
        InputError: there is one.
    """
    if unknown:
        raise InputError(f"{path}: {len(unknown)} ids are of no instance, the first is '{unknown[0]}'; --partial leaves them out")
    if without:
        raise InputError(
            f"{path}: {len(without)} instances have no record there, the first is '{without[0]}'; --partial leaves them empty"
        )


def typed(names: Sequence[str], found: Sequence[PlacedRecord | None], records: Iterable[PlacedRecord]) -> AddedColumns:
    """Columns with their types and a value a row.

    Args:
        names: of the columns.
        found: the record of each row, if it has one.
        records: all of the file, whose values are checked.

    Raises:
        InputError: a value that no column can hold, or a column without any value.
    """
    types, values = dict[str, str](), dict[str, pa.Array]()
    for record in records:
        for name in names:
            RULE.check(name, record.values.get(name), record.where)
    for name in names:
        own = [record.values.get(name) if record else None for record in found]
        kinds = set(map(RULE.kind_of, own))
        if kinds <= {"NULL"}:
            raise InputError(f"column '{name}': no instance gets a value; leave it out by --columns")
        types[name] = RULE.type_of(kinds)
        values[name] = pa.array([stored(value, types[name]) for value in own], arrow_type(types[name]))
    return AddedColumns(types, values)


def stored(value: Any, kind: str) -> Any:
    """A value as a column of a type stores it."""
    return None if value is None else RULE.stored(value, kind)
