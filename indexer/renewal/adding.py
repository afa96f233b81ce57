"""New metadata columns of an index, joined by id: a version whose catalog has them, and nothing else is made again."""

from pathlib import Path
from typing import NamedTuple

from attridex.indexer.files import linked, publish
from attridex.indexer.index.catalog import NeuronPlaces, writing_catalog
from attridex.indexer.index.directory import next_version, now, read_manifest, write_current, write_manifest, writing
from attridex.indexer.index.layout import ADDED, ADDED_COPY, CATALOG, RESERVED, Column, version_dir
from attridex.indexer.index.records import Manifest, file_entry
from attridex.indexer.index.verify import check_file
from attridex.indexer.lifecycle.added import AddedColumns, read_added
from attridex.indexer.lifecycle.deleting import counted_log
from attridex.indexer.lifecycle.liveness import named_rows
from attridex.indexer.packages import git_revision, installed_versions
from attridex.indexer.renewal.joining import Wanted, by_id, check_whole, chosen, record_of, typed


class Added(NamedTuple):
    """What was added: the version that is current now, the columns' types, and how many instances and records have no other."""

    version: str
    columns: dict[str, str]
    instances: int
    without: int
    unknown: int


def add_columns(index: Path, wanted: Wanted) -> Added:
    """Add columns to the instances of an index, by the ids of instances, or of the documents or records that they are parts of.

    Raises:
        InputError: an id stands twice, is of no instance, or an instance has no record; a column is there already or has a name
            of attridex's own; or a file cannot be read.
        DamageError: a file of the index that is needed is not what was written.
        BusyError: another process writes.
    """
    with writing(index) as current:
        manifest, log = read_manifest(index, current.version), counted_log(index)
        check_file(version_dir(index, manifest.version) / CATALOG, manifest.files[CATALOG])
        before = read_added(index, manifest)
        records = by_id(wanted, wanted.id or manifest.config.corpus.id or "id")
        names = chosen(wanted, manifest, records)
        rows = list(named_rows(index, manifest))
        found = [record_of(row, records, wanted) for row in rows]
        known, live = {name for row in rows for name in (row.id, row.owner)}, [not log.hides(row) for row in rows]
        unknown = [name for name in records if name not in known]
        without = [row.id for row, record, there in zip(rows, found, live, strict=True) if there and record is None]
        if not wanted.partial:
            check_whole(wanted.path, unknown, without)
        columns = typed(names, found, records.values())
        written = write_version(index, manifest, merged(before, columns))
        write_current(index, written.version)
        return Added(written.version, columns.types, sum(live) - len(without), len(without), len(unknown))


def merged(before: AddedColumns, more: AddedColumns) -> AddedColumns:
    """Columns that were there, but those that are replaced, and more."""
    kept = [name for name in before.types if name not in more.types]
    types = {name: before.types[name] for name in kept} | more.types
    return AddedColumns(types, {name: before.values[name] for name in kept} | more.values)


def write_version(index: Path, before: Manifest, added: AddedColumns) -> Manifest:
    """A version with added columns, which links the files of the one before but its catalog.

    Args:
        index: the index directory.
        before: manifest of the version before.
        added: all columns that it has beside the corpus's.
    """
    number, old = next_version(index), version_dir(index, before.version)
    own = [column for column in before.columns if column.name not in before.added]
    columns = [*own, *(Column(name, kind) for name, kind in added.types.items())]
    made = (CATALOG, ADDED, ADDED_COPY)
    changed = {"version": number, "created": now(), "columns": columns, "added": list(added.types)}
    manifest = before.model_copy(update=changed)
    with publish(version_dir(index, number)) as directory:
        for name in before.files.keys() - {*made}:
            linked(old / name, directory / name)
        write_catalog(directory / CATALOG, old / CATALOG, manifest, added)
        added.write(directory)
        files = before.files | {name: file_entry(directory / name, before.format) for name in made}
        manifest = manifest.model_copy(update={"files": dict(sorted(files.items()))})
        write_manifest(directory, manifest)
    return manifest


def write_catalog(path: Path, source: Path, changed: Manifest, added: AddedColumns) -> None:
    """Write a catalog with added columns.

    Args:
        path: its file.
        source: the one before.
        changed: manifest of the version that it is of.
        added: the columns.
    """
    kinds = {name: kind for name, kind in changed.columns if name not in RESERVED}
    model = changed.model
    places = NeuronPlaces(model.units, model.experts, model.expert_units)
    with writing_catalog(path, kinds, places, changed.instances) as catalog:
        catalog.take_over(source, added.values)
        catalog.add_run(changed.version, changed.created, git_revision(), installed_versions(["attridex"])["attridex"])
