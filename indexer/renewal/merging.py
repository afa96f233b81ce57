"""Merging: small shards that lie one behind the other become one, so that an index of many appends opens few files.

A merged shard names its parts, the shards that it was made of, each of one batch: `repair` signs those again and merges them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from attridex.indexer.files import publish
from attridex.indexer.index.arrays import read_array, write_array
from attridex.indexer.index.directory import read_sidecar
from attridex.indexer.index.layout import ENCODINGS, FACTORS, FORMAT, NEURONS, PREDICTIONS, SIDECAR, shard_dir, shard_name
from attridex.indexer.index.records import Part, Sidecar, file_entries, write_record
from attridex.indexer.index.tables import ENCODINGS_GROUP, read_table, write_neurons
from attridex.indexer.index.vectors import VectorFile, write_vectors


def runs(index: Path, names: Sequence[str], most: int) -> list[list[str]]:
    """Shards that are to become one each, in the order of their rows; those that stay as they are stand alone.

    Sums of K-FAC's factors say of which rows they are by their shard, so that shards with such sums stay.

    Args:
        index: the index directory.
        names: of all shards.
        most: rows of a shard at most.
    """
    found: list[list[str]] = []
    rows, kind = 0, frozenset[str]()
    for name in names:
        sidecar = read_sidecar(index, name)
        own = frozenset(sidecar.files)
        if found and own == kind and FACTORS not in own and rows + sidecar.rows <= most:
            found[-1].append(name)
            rows += sidecar.rows
        else:
            found.append([name])
            rows, kind = sidecar.rows, own
    return found


def merged(index: Path, names: Sequence[str], entries: int) -> str:
    """Make one shard of several; its name.

    Args:
        index: the index directory.
        names: of the shards, in the order of their rows, every one of which is live.
        entries: how many the log has, which stand in the name where one of them was compacted.
    """
    if len(names) == 1:
        return names[0]
    sidecars = [read_sidecar(index, name) for name in names]
    start, stop = sidecars[0].start, sidecars[-1].stop
    name = shard_name(start, stop) + (f".{entries}" if any("." in each for each in names) else "")
    with publish(shard_dir(index, name)) as directory:
        merge_files(index, names, directory)
        changed = {
            "format": FORMAT,
            "stop": stop,
            "rows": sum(each.rows for each in sidecars),
            "tokens": sum(each.tokens for each in sidecars),
            "truncated": sum(each.truncated for each in sidecars),
            "bad": [left for each in sidecars for left in each.bad],
            "files": file_entries(directory, FORMAT),
            "since": max(each.since for each in sidecars),
            "parts": tuple(part for each in zip(names, sidecars, strict=True) for part in parts_of(*each)),
        }
        write_record(directory / SIDECAR, sidecars[0].model_copy(update=changed))
    return name


def parts_of(name: str, sidecar: Sidecar) -> tuple[Part, ...]:
    """The parts of a shard: itself where it was not merged."""
    return sidecar.parts or (Part(name=name, rows=sidecar.rows),)


def parts_left(parts: Sequence[Part], keep: NDArray[np.int64], entries: int) -> tuple[Part, ...]:
    """The parts of a merged shard of which some rows are kept; those that lose any are compacted like a shard of that name.

    Args:
        parts: in the order of their rows.
        keep: rows of the merged shard that stay, ascending.
        entries: how many the log has.
    """
    ends = np.cumsum([part.rows for part in parts])
    left = np.bincount(np.searchsorted(ends, keep, side="right"), minlength=len(parts))
    return tuple(
        part if rows == part.rows else Part(name=f"{part.name}.{entries}", rows=int(rows))
        for part, rows in zip(parts, left, strict=True)
        if rows
    )


def merge_files(index: Path, names: Sequence[str], target: Path) -> None:
    """Write the files of a merged shard, which follow from its parts alone.

    Args:
        index: the index directory.
        names: of the shards, which have the same kinds of files.
        target: where to.
    """
    for file in sorted(read_sidecar(index, names[0]).files):
        paths = [shard_dir(index, name) / file for name in names]
        if file.endswith(".faiss"):
            vectors = [VectorFile(path) for path in paths]
            write_vectors(target / file, np.concatenate([each.block(0, each.rows) for each in vectors]), vectors[0].precision)
        elif file == PREDICTIONS:
            write_array(target / file, narrowed([read_array(path) for path in paths]))
        elif file.endswith(".npy"):
            write_array(target / file, np.concatenate([read_array(path) for path in paths]))
        elif file == NEURONS:
            merge_neurons(paths, target / file, [read_sidecar(index, name).rows for name in names])
        else:
            write_table(target / file, joined([read_table(path) for path in paths]))


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables of several shards as one, with the first one's order of columns; a shard that was signed again may have another."""
    return pa.concat_tables([table.select(tables[0].column_names) for table in tables])


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table of a merged shard; its bytes follow from its rows, in whichever pieces they came."""
    groups = ENCODINGS_GROUP if path.name == ENCODINGS else None
    pq.write_table(table.combine_chunks(), path, compression="zstd", row_group_size=groups)


def narrowed(parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Output probabilities of several shards as one array, as wide as the most outputs of an instance; missing ones are NaN."""
    width = max(part.shape[1] for part in parts)
    found = np.concatenate([np.pad(part, ((0, 0), (0, width - part.shape[1])), constant_values=np.nan) for part in parts])
    given = np.flatnonzero(~np.isnan(found).all(0))
    return found[:, : given[-1] + 1 if len(given) else 0]


def merge_neurons(paths: Sequence[Path], target: Path, rows: Sequence[int]) -> None:
    """Write the kept neurons of several shards as those of one.

    Args:
        paths: of their tables.
        target: of the table.
        rows: of each shard.
    """
    tables = [read_table(path) for path in paths]
    columns = {name: np.concatenate([table[name].to_numpy() for table in tables]) for name in tables[0].column_names}
    starts = np.concatenate([[0], np.cumsum(rows)[:-1]])
    columns["row"] = columns["row"] + np.repeat(starts, [len(table) for table in tables]).astype(np.int32)
    write_neurons(target, columns)
