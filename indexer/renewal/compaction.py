"""Compaction: what is deleted leaves the disk. Files of shards are filtered, nothing is signed again."""

import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from attridex.indexer.building.versions import VersionWriter
from attridex.indexer.errors import AttridexError, InputError
from attridex.indexer.files import publish, replace_file
from attridex.indexer.index.arrays import read_array, read_tensors, write_array, write_tensors
from attridex.indexer.index.deletes import Log
from attridex.indexer.index.directory import list_versions, read_current, read_manifest, read_sidecar, write_current, writing
from attridex.indexer.index.layout import (
    CURRENT,
    CURRENT_COPY,
    ENCODINGS,
    FACTORS,
    FORMAT,
    INSTANCES,
    NEURONS,
    PREDICTIONS,
    SIDECAR,
    SOURCE,
    SOURCE_RECORD,
    SUMMED,
    shard_dir,
    version_dir,
)
from attridex.indexer.index.records import (
    OF_CURVATURE,
    Manifest,
    ShardEntry,
    Sidecar,
    Source,
    file_entries,
    file_entry,
    parse_record,
    read_sealed,
    seal,
    write_record,
)
from attridex.indexer.index.tables import ENCODINGS_GROUP, read_table, write_neurons
from attridex.indexer.index.vectors import VectorFile, write_vectors
from attridex.indexer.index.verify import check_version
from attridex.indexer.lifecycle.counted import Counted, stored_sums
from attridex.indexer.lifecycle.deleting import counted_log
from attridex.indexer.lifecycle.facts import corpus_columns, facts_of_version
from attridex.indexer.lifecycle.liveness import PART, columns_of, hidden_in, named_rows
from attridex.indexer.lifecycle.staleness import none_live, stale_now
from attridex.indexer.lifecycle.versions import drop_orphans, remove_others
from attridex.indexer.renewal.merging import merged, narrowed, parts_left, runs, write_table

Rows = NDArray[np.int64]


class Compacted(NamedTuple):
    """What a compaction did: the version that is current, instances that were removed, and versions that are still read."""

    version: str
    removed: int
    held: list[str]


def compact(index: Path) -> Compacted:
    """Remove what is deleted from the disk: a version without it becomes current, and older versions leave.

    Small shards of many batches become large ones, see `merging`.

    K-FAC's factors are sums over instances, from which none can be taken without the model: they stay those of all that were
    signed, and the manifest says of how many. Sums of a version's own are of the rows that stay, or nothing is compacted: the
    rows that they lack or count too much could not be told from them later.

    Raises:
        InputError: there is no index, it is of format 2, no row is live, or K-FAC's factors have to be refreshed first.
        DamageError: a file is not what was written.
        BusyError: another process writes.
    """
    with writing(index) as current:
        manifest, log = read_manifest(index, current.version), counted_log(index)
        check_version(index, manifest)
        gone = {entry.name: hidden_of(index, manifest, entry, log) for entry in manifest.shards}
        removed = sum(map(len, gone.values()))
        if removed == manifest.instances:
            raise InputError(none_live(index, manifest))
        stale = FACTORS in manifest.files and OF_CURVATURE in stale_now(index, manifest)
        if removed and stale:
            raise InputError(no_sums(index))
        with nothing_half_made(index):
            manifest = rewritten(index, manifest, log, {name: len(rows) for name, rows in gone.items()}, alone=stale)
        forget_rows(index, manifest, log)
        return Compacted(manifest.version, removed, remove_others(index, {manifest.version}, appended=True).held)


@contextmanager
def nothing_half_made(index: Path) -> Iterator[None]:
    """Take back what the block wrote, where it fails before a version of its own is served: the index is as it was."""
    served, before = read_current(index), list_versions(index)
    try:
        yield
    except Exception:
        with suppress(AttridexError, OSError):  # a disk that takes no write may let nothing be removed; `repair` does so then
            if read_current(index) == served:
                take_back(index, set(list_versions(index)) - set(before))
        raise


def take_back(index: Path, numbers: Collection[str]) -> None:
    """Remove versions that CURRENT never named, and the shards that only they list.

    Args:
        index: the index directory, held for writing.
        numbers: of the versions.
    """
    content = (index / CURRENT).read_bytes()
    if (index / CURRENT_COPY).read_bytes() != content:
        replace_file(index / CURRENT_COPY, content)
    for number in numbers:
        shutil.rmtree(version_dir(index, number))
    drop_orphans(index)


def rewritten(index: Path, manifest: Manifest, log: Log, gone: Mapping[str, int], *, alone: bool) -> Manifest:
    """Make a version without deleted rows and without small shards current; the version itself where it has none of them.

    Args:
        index: the index directory, held for writing.
        manifest: of the current version.
        log: as it counts.
        gone: how many rows of each shard are deleted.
        alone: no shards are merged where nothing is deleted.
    """
    removed = sum(gone.values())
    left = [
        compacted_shard(index, entry.name, log, manifest) if gone[entry.name] else entry.name
        for entry in manifest.shards
        if gone[entry.name] < entry.rows
    ]
    found = runs(index, left, manifest.config.index.shard_rows)
    if not removed and (alone or len(found) == len(left)):
        return manifest
    names = [merged(index, run, log.head.seq) for run in found]
    sidecars = [read_sidecar(index, entry.name) for entry in manifest.shards]
    facts = facts_of_version(manifest, corpus_columns(manifest), sidecars)
    counted = Counted.every(sum(entry.rows for entry in manifest.shards) - removed, stored_sums(index, manifest))
    written = VersionWriter(index, facts, names, counted=counted).write()
    write_current(index, written.version)
    return written


def no_sums(index: Path) -> str:
    """What is said where a version's own sums of K-FAC's factors are of other rows than those that stay."""
    return (
        f"{index}: K-FAC's factors were summed over other rows than those that are live; run `attridex refresh {index}` first, "
        "which loads the model for them, then compact"
    )


def hidden_of(index: Path, manifest: Manifest, entry: ShardEntry, log: Log) -> Rows:
    """Rows of one shard that a log hides, counted from its first, ascending.

    Args:
        index: the index directory.
        manifest: of a version, whose columns and configuration say how rows are named.
        entry: of the shard.
        log: as it counts.
    """
    alone = manifest.model_copy(update={"shards": [entry]})
    return hidden_in(columns_of(index, alone), alone, log)


def compacted_shard(index: Path, name: str, log: Log, manifest: Manifest) -> str:
    """Write a shard without the rows that a log hides; its name says so.

    Args:
        index: the index directory.
        name: of the shard.
        log: as it counts.
        manifest: of the version, whose columns and configuration say how rows are named.
    """
    before, new = read_sidecar(index, name), f"{name}.{log.head.seq}"
    entry = ShardEntry(name=name, rows=before.rows, sha256="", since=before.since)
    keep = np.setdiff1d(np.arange(before.rows), hidden_of(index, manifest, entry, log))
    with publish(shard_dir(index, new)) as directory:
        filter_files(shard_dir(index, name), directory, keep, before)
        table = read_table(directory / INSTANCES, ["tokens", "truncated"])
        changed = {
            "rows": len(keep),
            "tokens": sum(table["tokens"].to_pylist()),
            "truncated": sum(table["truncated"].to_pylist()),
            "files": file_entries(directory, FORMAT),
            "format": FORMAT,
            "since": before.since,
            **({"parts": parts_left(before.parts, keep, log.head.seq)} if before.parts else {}),
        }
        write_record(directory / SIDECAR, before.model_copy(update=changed))
    return new


def filter_files(source: Path, target: Path, keep: Rows, before: Sidecar) -> None:
    """Write the files of a shard with some of its rows; K-FAC's sums stay, and say of how many instances they are.

    Args:
        source: the shard's directory.
        target: where to.
        keep: rows that stay, ascending.
        before: the shard's sidecar; of one that was merged the same files come out as where its parts lose these rows.
    """
    for path in sorted(source.iterdir()):
        if path.suffix == ".faiss":
            vectors = VectorFile(path)
            write_vectors(target / path.name, vectors.block(0, vectors.rows)[keep], vectors.precision)
        elif path.name == PREDICTIONS and before.parts:
            write_array(target / path.name, narrowed([read_array(path)[keep]]))
        elif path.suffix == ".npy":
            write_array(target / path.name, read_array(path)[keep])
        elif path.name == NEURONS:
            filter_neurons(path, target / path.name, keep)
        elif path.suffix == ".parquet" and before.parts:
            write_table(target / path.name, read_table(path).take(keep))
        elif path.suffix == ".parquet":
            groups = ENCODINGS_GROUP if path.name == ENCODINGS else None
            pq.write_table(read_table(path).take(keep), target / path.name, compression="zstd", row_group_size=groups)
        elif path.name == FACTORS:
            factors = read_tensors(path)
            write_tensors(target / path.name, {SUMMED: np.array([before.rows], np.float64), **factors})


def filter_neurons(source: Path, target: Path, keep: Rows) -> None:
    """Write the kept neurons of some rows, which are counted anew."""
    table = read_table(source)
    rows = table["row"].to_numpy()
    chosen = np.isin(rows, keep)
    columns = {name: table[name].to_numpy()[chosen] for name in table.column_names}
    columns["row"] = np.searchsorted(keep, columns["row"]).astype(np.int32)
    write_neurons(target, columns)


def forgotten(index: Path, manifest: Manifest, log: Log) -> list[str]:
    """Ids of records of which everything is deleted: by their own id, or instance by instance.

    Args:
        index: the index directory.
        manifest: of the version that was compacted.
        log: as it counts.
    """
    live = {row.owner for row in named_rows(index, manifest)}
    whole = {name for name, deletions in log.deletions.items() if any(each.content is None for each in deletions)}
    return sorted(whole | ({re.sub(PART, "", name) for name in log.deletions} - live))


def forget_rows(index: Path, manifest: Manifest, log: Log) -> None:
    """Remove records that are deleted from the rows of a training that an index keeps, by which no shard is signed again then."""
    path, record = index / SOURCE / "rows.parquet", index / SOURCE / SOURCE_RECORD
    if not path.is_file() or manifest.config.corpus.id not in pq.read_schema(path).names:
        return
    table = read_table(path)
    gone = forgotten(index, manifest, log)
    kept = table.filter(pc.invert(pc.is_in(table[manifest.config.corpus.id].cast("string"), pa.array(gone, pa.string()))))
    if len(kept) < len(table):
        temporary = path.with_name(f".{path.name}.tmp")
        pq.write_table(kept, temporary, compression="zstd")
        files = parse_record(Source, read_sealed(record), record).files | {path.name: file_entry(temporary)}
        temporary.replace(path)
        replace_file(record, seal(Source(files=files).model_dump(mode="json")))
