"""Columns that were added to an index: kept in a file of each version, since its catalog is made again from shards."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from attridex.indexer.errors import DamageError
from attridex.indexer.index.deletes import Log
from attridex.indexer.index.directory import read_current, read_deletes, read_manifest
from attridex.indexer.index.layout import ADDED, ADDED_COPY, CURRENT, version_dir
from attridex.indexer.index.records import Manifest, ShardEntry
from attridex.indexer.index.tables import arrow_type, read_table
from attridex.indexer.index.verify import check_file
from attridex.indexer.lifecycle.liveness import named_rows


class AddedColumns(NamedTuple):
    """Columns that were added to the corpus's: DuckDB type of each, and a value a row [n]."""

    types: dict[str, str]
    values: dict[str, pa.Array]

    def write(self, directory: Path) -> None:
        """Write them as files of a version, if there are any: one, and a copy that mends it."""
        if self.types:
            schema = pa.schema([(name, arrow_type(kind)) for name, kind in self.types.items()])
            pq.write_table(pa.table(self.values, schema=schema), directory / ADDED, compression="zstd")
            shutil.copyfile(directory / ADDED, directory / ADDED_COPY)


def read_added(index: Path, manifest: Manifest) -> AddedColumns:
    """The columns that were added to a version.

    Raises:
        DamageError: neither their file nor its copy is what was written.
    """
    kinds = dict(manifest.columns)
    types = {name: kinds[name] for name in manifest.added}
    if not types:
        return AddedColumns({}, {})
    directory = version_dir(index, manifest.version)
    for path in (directory / ADDED, directory / ADDED_COPY):
        try:
            check_file(path, manifest.files[path.name])
        except (DamageError, OSError):
            continue
        table = read_table(path)
        return AddedColumns(types, {name: table[name].combine_chunks() for name in types})
    raise DamageError(
        f"{directory / ADDED}: cannot be mended (nor is {ADDED_COPY} whole); `attridex activate` another version, remove this "
        f"one by `attridex prune`, and add {', '.join(types)} again by `attridex add-columns`"
    )


def served_before(index: Path) -> Manifest | None:
    """The served version, whose added columns the next one keeps; None where there is none yet."""
    return read_manifest(index, read_current(index)) if (index / CURRENT).exists() else None


def carried(index: Path, before: Manifest | None, shards: Sequence[ShardEntry]) -> AddedColumns:
    """The added columns of a version for the rows of some shards, in their order.

    A row that an update put in the place of a live one keeps what that had; other rows that the version lacks have nothing.

    Args:
        index: the index directory.
        before: the version; None where there is none.
        shards: whose rows are wanted.
    """
    if before is None:
        return AddedColumns({}, {})
    found = read_added(index, before)
    if not found.types or before.shards == list(shards):
        return found
    places = pa.array(places_before(index, before, shards), pa.int64())
    return found._replace(values={name: values.take(places) for name, values in found.values.items()})


def places_before(index: Path, before: Manifest, shards: Sequence[ShardEntry]) -> Iterator[int | None]:
    """For each row of some shards, the row of a version that it is or took the place of; see `carried`.

    An update's own entry is not in the log yet: what the log hides was deleted before, and a live row of the same id is the one
    that the new row takes the place of, or is, where its shard was merged.
    """
    rows = {(row.id, row.since): row for row in named_rows(index, before)}
    latest = {row.id: row for row in sorted(rows.values(), key=lambda row: row.since)}
    log = read_deletes(index) or Log.begun("")
    for shard in shards:
        for new in named_rows(index, before.model_copy(update={"shards": [shard]})):
            last = latest.get(new.id)
            old = rows.get((new.id, new.since)) or (last if last and not log.hides(last) else None)
            yield None if old is None else old.row
