"""Which rows of a version are hidden: a pure function of the log of deletes and of the version's shards."""

from collections.abc import Collection, Iterator
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
from attridex.indexer.index.shards import Shard, open_shards

DOCUMENT, PARTED = "document", ("documents", "encoded")
"""Column with the id of the record that an instance is a part of, and the input forms that have it."""
PART = r"#\d+$"
"""What the id of a record's part has behind the record's."""


def named_rows(index: Path, manifest: Manifest, names: Collection[str] | None = None) -> Iterator[NamedRow]:
    """Rows of a version as the log names them: all, or those that one of `names` is the id or the owner of."""
    for shard, entry in zip(open_shards(index, manifest.shards), manifest.shards, strict=True):
        table = named_table(shard, manifest)
        if names is not None:
            wanted = pa.array(names, pa.string())
            table = table.filter(pc.or_(pc.is_in(table["id"], wanted), pc.is_in(table["owner"], wanted)))
        for row in table.to_pylist():
            yield NamedRow(row["row"], row["id"], row["owner"], row["content_hash"], entry.since)


def named_table(shard: Shard, manifest: Manifest) -> pa.Table:
    """Number, id, owner and content hash of a shard's rows."""
    corpus = manifest.config.corpus
    parted = corpus.form in PARTED and DOCUMENT in dict(manifest.columns)
    table = shard.instances(["id", "content_hash", *([DOCUMENT] if parted else [])])
    owner = table[DOCUMENT] if parted else table["id"]
    if corpus.per_token and not parted:
        owner = pc.replace_substring_regex(table["id"], PART, "")
    rows = pa.array(np.arange(shard.start, shard.start + len(table), dtype=np.int64))
    return pa.table({"row": rows, "id": table["id"], "owner": owner, "content_hash": table["content_hash"]})


def hidden_rows(index: Path, manifest: Manifest, log: Log | None) -> NDArray[np.int64]:
    """Rows of a version that are deleted, ascending.

    Args:
        index: the index directory.
        manifest: of the version.
        log: that counts; None in an index of format 2, whose versions have tombstones.
    """
    if log is None:
        return np.asarray(read_array(version_dir(index, manifest.version) / TOMBSTONES), np.int64)
    if not log.deletions:
        return np.zeros(0, np.int64)
    rows = named_rows(index, manifest, log.deletions.keys())
    return np.array([row.row for row in rows if log.hides(row)], np.int64)


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
