"""Deleting and undeleting: entries of the log, acknowledged once both of its files and CURRENT are on the disk."""

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from attridex.indexer.errors import InputError
from attridex.indexer.index.catalog import Catalog
from attridex.indexer.index.deletes import Log, NamedRow
from attridex.indexer.index.directory import list_versions, now, read_deletes, read_manifest, write_current, writing
from attridex.indexer.index.layout import CATALOG, ROW, version_dir
from attridex.indexer.index.records import Manifest
from attridex.indexer.lifecycle.liveness import named_rows
from attridex.indexer.sections import PARTED_FORMS

Where = Callable[[Path, Manifest], Iterable[int]]
"""Which rows of a version a condition holds for, deleted ones or not."""


class Changed(NamedTuple):
    """What a delete or undelete did: entries that the log has now, and the instances that it concerned."""

    seq: int
    instances: int


def delete_ids(index: Path, ids: Sequence[str], *, by: str = "") -> Changed:
    """Delete instances by id, or all parts of a document or record by its id; those that are deleted already stay so.

    Args:
        index: the index directory.
        ids: of instances, documents, or records.
        by: who asks for it.

    Raises:
        InputError: an id is not in the current version, or nothing would be left.
        BusyError: another process writes.
    """
    with writing(index) as current:
        manifest, log = read_manifest(index, current.version), counted_log(index)
        rows = list(named_rows(index, manifest, set(ids)))
        known = {name for row in rows for name in (row.id, row.owner)}
        for name in ids:
            if name not in known:
                raise InputError(f"{index}: no instance '{name}' in version {current.version}; {some_of(index, manifest)}")
        wanted = set(ids)
        covered = [row for row in rows if not log.hides(row)]
        if not manifest.config.corpus.id:
            return write_rows(index, manifest, log, covered, by)
        given = {name for row in covered for name in (row.id, row.owner)} & wanted
        names = [name for name in dict.fromkeys(ids) if name in given]
        return write_delete(index, manifest, log, names, [None] * len(names), len(covered), by)


def delete_where(index: Path, where: Where, *, by: str = "") -> Changed:
    """Delete the instances of the current version that a condition holds for.

    Args:
        index: the index directory.
        where: the condition.
        by: who asks for it.

    Raises:
        InputError: nothing would be left.
        BusyError: another process writes.
    """
    with writing(index) as current:
        manifest, log = read_manifest(index, current.version), counted_log(index)
        wanted = {int(row) for row in where(index, manifest)}
        rows = [row for row in named_rows(index, manifest) if row.row in wanted and not log.hides(row)] if wanted else []
        if (wanted and max(wanted) >= manifest.instances) or min(wanted, default=0) < 0:
            raise InputError(f"{index}: rows must be between 0 and {manifest.instances - 1}")
        return write_rows(index, manifest, log, rows, by)


def delete_rows(index: Path, rows: Sequence[int], *, by: str = "") -> Changed:
    """Delete rows of the current version; see `delete_where`."""
    return delete_where(index, lambda _index, _manifest: rows, by=by)


def undelete_ids(index: Path, ids: Sequence[str], *, by: str = "") -> Changed:
    """Undo the last delete of each id.

    Args:
        index: the index directory.
        ids: of instances, documents, or records, each as it was deleted.
        by: who asks for it.

    Raises:
        InputError: an id is live, was never there, was removed by `compact`, was deleted by another name, or came in again in
            any version that is there.
        BusyError: another process writes.
    """
    with writing(index) as current:
        manifest, log = read_manifest(index, current.version), counted_log(index)
        rows = list(named_rows(index, manifest, set(ids)))
        meant = by_name(rows)
        names = [name for wanted in dict.fromkeys(ids) for name in deleted_names(index, wanted, meant.get(wanted, ()), log)]
        longer = log.with_entry(now(), "undelete", list(dict.fromkeys(names)), [], by)
        back = [row for row in rows if log.hides(row) and not longer.hides(row)]
        check_single(index, longer, {row.owner for row in rows})
        write_current(index, current.version, longer)
        return Changed(longer.head.seq, len(back))


def check_single(index: Path, log: Log, owners: Collection[str]) -> None:
    """Refuse a log under which a record is live beside one that came in later in its place, in any version on the disk.

    Args:
        index: the index directory.
        log: as it would count.
        owners: ids of the records that are looked at.

    Raises:
        InputError: there is such a record; it is named, and the version.
    """
    for number in list_versions(index):
        manifest = read_manifest(index, number)
        since: dict[str, int] = {}
        for row in named_rows(index, manifest, owners):
            if row.owner in owners and not log.hides(row) and since.setdefault(row.owner, row.since) != row.since:
                raise InputError(
                    f"{index}: '{row.owner}' came in again in version {number}, which would have both; "
                    f"`attridex activate {index} {number}` has the later one"
                )


def by_name(rows: Iterable[NamedRow]) -> dict[str, list[NamedRow]]:
    """The rows that each id means, their own or their owner's."""
    found: dict[str, list[NamedRow]] = {}
    for row in rows:
        for name in {row.id, row.owner}:
            found.setdefault(name, []).append(row)
    return found


def deleted_names(index: Path, wanted: str, own: Sequence[NamedRow], log: Log) -> list[str]:
    """Names by which what an id stands for was deleted; see `undelete_ids` for what it raises.

    Args:
        index: the index directory.
        wanted: the id.
        own: the rows of a version that it means.
        log: that counts.
    """
    hiding = [log.hides(row) for row in own]
    if not own:
        raise InputError(f"{index}: no deleted instance '{wanted}' (it was never there, or `compact` has removed it)")
    if not all(hiding):
        raise InputError(f"{index}: '{wanted}' is not deleted; nothing to undo")
    names = list(dict.fromkeys(name for found in hiding for name in found))
    covering = {row.owner for row in own if row.owner != wanted} & set(names)
    if covering:
        raise InputError(f"{index}: '{wanted}' was deleted with '{min(covering)}'; undelete that")
    return names


def write_rows(index: Path, manifest: Manifest, log: Log, rows: Sequence[NamedRow], by: str) -> Changed:
    """Delete single rows; where an id names several, or is a position, the content hash says which one is meant.

    Args:
        index: the index directory.
        manifest: of the current version.
        log: that counts.
        rows: live ones.
        by: who asks for it.
    """
    bound = not manifest.config.corpus.id or manifest.config.corpus.form in PARTED_FORMS
    contents = [row.content if bound else None for row in rows]
    return write_delete(index, manifest, log, [row.id for row in rows], contents, len(rows), by)


def write_delete(
    index: Path, manifest: Manifest, log: Log, names: Sequence[str], contents: Sequence[str | None], count: int, by: str
) -> Changed:
    """Add a delete to the log, unless it is of nothing.

    Args:
        index: the index directory.
        manifest: of the current version.
        log: that counts.
        names: what is deleted.
        contents: see `Entry`.
        count: instances that they are.
        by: who asks for it.

    Raises:
        InputError: nothing would be left.
    """
    if not names:
        return Changed(log.head.seq, 0)
    longer = log.with_entry(now(), "delete", names, contents, by)
    if all(longer.hides(row) for row in named_rows(index, manifest)):
        raise InputError(f"{index}: this would delete every instance; remove the directory instead")
    write_current(index, manifest.version, longer)
    return Changed(longer.head.seq, count)


def counted_log(index: Path) -> Log:
    """The log of an index that is held for writing."""
    log = read_deletes(index)
    if log is None:
        raise InputError(f"{index}: no log of deletes in an index of format 2; `attridex migrate {index}` makes one")
    return log


def some_of(index: Path, manifest: Manifest) -> str:
    """The first ids, in words."""
    first = [f"'{row.id}'" for row, _ in zip(named_rows(index, manifest), range(3), strict=False)]
    return f"ids are as {', '.join(first)}"


def selected_rows(index: Path, manifest: Manifest, condition: str, parameters: Sequence[Any] = ()) -> list[int]:
    """Rows of a version that an SQL condition over the instances table holds for.

    Args:
        index: the index directory.
        manifest: of the version.
        condition: behind WHERE.
        parameters: of it.
    """
    with closing(Catalog(version_dir(index, manifest.version) / CATALOG)) as catalog:
        return [row for (row,) in catalog.select(f"SELECT {ROW} FROM instances WHERE {condition}", parameters)]
