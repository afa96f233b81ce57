"""Which rows of a version are hidden: a pure function of the log of deletes and of the version's shards."""

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from attridex.indexer.index.arrays import read_array
from attridex.indexer.index.deletes import Log, NamedRow
from attridex.indexer.index.directory import read_current, read_deletes, read_manifest
from attridex.indexer.index.layout import TOMBSTONES, version_dir
from attridex.indexer.index.records import Manifest
from attridex.indexer.index.shards import open_shards
from attridex.indexer.sections import DOCUMENT, PARTED_FORMS

Rows = NDArray[np.int64]
PART = r"#\d+$"
"""What the id of a record's part has behind the record's."""


Columns = Callable[[Sequence[str]], pa.Table]
"""Gives columns of all rows of a version, in their order."""


def named_rows(index: Path, manifest: Manifest, names: Collection[str] | None = None) -> Iterator[NamedRow]:
    """Rows of a version as the log names them: all, or those that one of `names` is the id or the owner of."""
    return named_in(columns_of(index, manifest), manifest, names)


def columns_of(index: Path, manifest: Manifest) -> Columns:
    """What gives columns of a version from its shards' tables."""
    return lambda names: pa.concat_tables(shard.instances(names) for shard in open_shards(index, manifest.shards))


def named_in(columns: Columns, manifest: Manifest, names: Collection[str] | None) -> Iterator[NamedRow]:
    """See `named_rows`."""
    corpus = manifest.config.corpus
    parted = corpus.form in PARTED_FORMS and DOCUMENT in dict(manifest.columns)
    table = columns(["id", "content_hash", *([DOCUMENT] if parted else [])])
    ids, owner = table["id"], table[DOCUMENT] if parted else table["id"]
    if corpus.per_token and not parted:
        owner = pc.replace_substring_regex(ids, PART, "")
    since = np.repeat([entry.since for entry in manifest.shards], [entry.rows for entry in manifest.shards])
    rows = {"row": np.arange(len(ids)), "id": ids, "owner": owner, "content": table["content_hash"], "since": since}
    named = pa.table(rows)
    if names is not None:
        wanted = pa.array(list(names), pa.string())
        named = named.filter(pc.or_(pc.is_in(named["id"], wanted), pc.is_in(named["owner"], wanted)))
    return (NamedRow(**row) for row in named.to_pylist())


def hidden_rows(index: Path, manifest: Manifest, log: Log | None) -> Rows:
    """Rows of a version that are deleted, ascending.

    Args:
        index: the index directory.
        manifest: of the version.
        log: that counts; None in an index of format 2, whose versions have tombstones.
    """
    if log is None:
        return np.asarray(read_array(version_dir(index, manifest.version) / TOMBSTONES), np.int64)
    return hidden_in(columns_of(index, manifest), manifest, log)


def hidden_in(columns: Columns, manifest: Manifest, log: Log) -> Rows:
    """Rows of a version that a log hides, ascending; `columns` gives what the version's rows are called."""
    if not log.deletions:
        return np.zeros(0, np.int64)
    return np.array([row.row for row in named_in(columns, manifest, log.deletions) if log.hides(row)], np.int64)


def read_deleted(index: Path, version: str) -> set[int]:
    """Rows of the instances that are deleted in a version."""
    return set(hidden_rows(index, read_manifest(index, version), read_deletes(index)).tolist())


def served_manifest(index: Path, version: str, log: Log | None) -> Manifest:
    """The manifest of a version as it is served under a log.

    It counts what is hidden, and its version's name has "+<entries>" behind it where the log has entries: answers of different
    content never have the same name.
    """
    manifest = read_manifest(index, version)
    return manifest if log is None else under_log(manifest, log, len(hidden_rows(index, manifest, log)))


def under_log(manifest: Manifest, log: Log, hidden: int) -> Manifest:
    """See `served_manifest`."""
    name = f"{manifest.version}+{log.head.seq}" if log.head.seq else manifest.version
    return manifest.model_copy(update={"version": name, "deleted": hidden})


def current_manifest(index: Path) -> Manifest:
    """The manifest of the served version; see `served_manifest`."""
    return served_manifest(index, read_current(index), read_deletes(index))
