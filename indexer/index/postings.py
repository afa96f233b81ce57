"""Posting arrays of a version: the instances of each neuron (CSC), and the neurons of each instance (CSR)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from attridex.indexer.errors import DamageError
from attridex.indexer.held.arrays import PagedArray
from attridex.indexer.held.files import Place, Source, path_of
from attridex.indexer.index.arrays import new_array, paged_array, read_array, write_array
from attridex.indexer.index.layout import CSC_INDPTR, CSC_ROWS, CSC_SCORES, CSC_WEIGHTS, CSR_INDPTR, CSR_NEURONS, CSR_SCORES
from attridex.indexer.index.shards import Shard

Entries = NDArray[Any] | PagedArray
"""Of which parts are read when they are looked at."""
Batch = TypeVar("Batch", pa.RecordBatch, pa.Table)


class NeuronInstances(NamedTuple):
    """Neuron -> instances: entries of neuron j are [indptr[j], indptr[j + 1]), in ascending row."""

    indptr: NDArray[np.int64]
    rows: Entries
    weights: Entries
    scores: Entries


def merged(starts: NDArray[np.int64], before: NDArray[Any], more_starts: NDArray[np.int64], more: NDArray[Any]) -> NDArray[Any]:
    """Entries of lists, those of each list behind the ones that it had before; nothing is sorted.

    Args:
        starts: entries of list j were [starts[j], starts[j + 1]).
        before: the entries.
        more_starts: the same of the entries that come in.
        more: those.
    """
    found = np.empty(len(before) + len(more), before.dtype)
    found[np.arange(len(before)) + np.repeat(more_starts[:-1], np.diff(starts))] = before
    found[np.arange(len(more)) + np.repeat(starts[1:], np.diff(more_starts))] = more
    return found


class InstanceNeurons(NamedTuple):
    """Instance -> neurons: entries of row i are [indptr[i], indptr[i + 1]), in descending score."""

    indptr: NDArray[np.int64]
    neurons: Entries
    scores: Entries


def write_columns(
    directory: Path, arrays: Mapping[str, tuple[str, type[np.generic]]], size: int, batches: Iterable[Batch]
) -> Iterator[Batch]:
    """Write columns of batches, one batch behind the other, and give each batch on; files are whole after the last one.

    Args:
        directory: where.
        arrays: file and element type of each column.
        size: rows over all batches.
        batches: with these columns.
    """
    files, at = {column: new_array(directory / name, kind, size) for column, (name, kind) in arrays.items()}, 0
    for batch in batches:
        for column, array in files.items():
            array[at : at + len(batch)] = batch.column(column).to_numpy()
        at += len(batch)
        yield batch


def write_neuron_instances(directory: Path, neurons: int, size: int, batches: Iterable[pa.RecordBatch]) -> None:
    """Write the CSC arrays.

    Args:
        directory: where.
        neurons: how many there are, L F.
        size: entries over all neurons.
        batches: the entries (neuron, row, weight, score), by neuron and row.
    """
    arrays = {"row": (CSC_ROWS, np.int32), "weight": (CSC_WEIGHTS, np.float32), "score": (CSC_SCORES, np.float32)}
    counts = np.zeros(neurons + 1, np.int64)
    for batch in write_columns(directory, arrays, size, batches):
        counts[1:] += np.bincount(batch.column("neuron").to_numpy(), minlength=neurons)
    write_array(directory / CSC_INDPTR, np.cumsum(counts))


def grow_neuron_instances(directory: Path, before: Path, neurons: int, shards: Sequence[Shard]) -> None:
    """Write the CSC arrays of a version that has more shards than one before; only the new entries are sorted.

    Args:
        directory: where.
        before: directory of the version before.
        neurons: how many there are, L F.
        shards: the new ones.
    """
    tables = [shard.neurons(["row", "neuron", "weight", "score"]) for shard in shards]
    rows = [table["row"].to_numpy() + shard.start for table, shard in zip(tables, shards, strict=True)]
    table = pa.concat_tables(tables)
    neuron, row = table["neuron"].to_numpy(), np.concatenate(rows)
    order = np.lexsort((row, neuron))
    starts, added = read_array(before / CSC_INDPTR), np.cumsum(np.bincount(neuron + 1, minlength=neurons + 1))
    columns = {CSC_ROWS: row, CSC_WEIGHTS: table["weight"].to_numpy(), CSC_SCORES: table["score"].to_numpy()}
    for name, values in columns.items():
        write_array(directory / name, merged(starts, read_array(before / name), added, values[order]))
    write_array(directory / CSC_INDPTR, starts + added)


def grow_instance_neurons(directory: Path, before: Path, shards: Sequence[Shard]) -> None:
    """Write the CSR arrays of a version that has more shards than one before.

    Args:
        directory: where.
        before: directory of the version before.
        shards: the new ones.
    """
    tables = [shard.neurons(["row", "neuron", "score"]) for shard in shards]
    for name, column in ((CSR_NEURONS, "neuron"), (CSR_SCORES, "score")):
        parts = [read_array(before / name), *(table[column].to_numpy() for table in tables)]
        write_array(directory / name, np.concatenate(parts).astype(parts[0].dtype))
    counts = [np.bincount(table["row"].to_numpy(), minlength=shard.rows) for table, shard in zip(tables, shards, strict=True)]
    starts = read_array(before / CSR_INDPTR)
    write_array(directory / CSR_INDPTR, np.concatenate([starts, starts[-1] + np.cumsum(np.concatenate(counts))]))


def read_neuron_instances(directory: Place) -> NeuronInstances:
    """Read the CSC arrays of a version; what an entry holds is read when it is looked at."""
    rows, weights, scores = (paged_array(directory / name) for name in (CSC_ROWS, CSC_WEIGHTS, CSC_SCORES))
    return NeuronInstances(read_bounds(directory / CSC_INDPTR, rows, weights, scores), rows, weights, scores)


def read_bounds(source: Source, *entries: Entries) -> NDArray[np.int64]:
    """Where the entries of each list begin and end.

    Raises:
        DamageError: not within the arrays of entries.
    """
    indptr = read_array(source)
    rising = indptr.ndim == 1 and indptr.dtype == np.int64 and indptr[:1].tolist() == [0] and bool((np.diff(indptr) >= 0).all())
    if not rising or any(len(array) != indptr[-1] for array in entries):
        raise DamageError(f"{path_of(source)}: damaged (its lists do not fit the arrays of their entries)")
    return indptr


def write_instance_neurons(directory: Path, shards: Sequence[Shard]) -> None:
    """Write the CSR arrays of some shards."""
    size = sum(shard.neuron_count() for shard in shards)
    arrays = {"neuron": (CSR_NEURONS, np.int32), "score": (CSR_SCORES, np.float32)}
    tables = write_columns(directory, arrays, size, (shard.neurons(["row", "neuron", "score"]) for shard in shards))
    counts = [np.zeros(1, np.int64)]
    for shard, table in zip(shards, tables, strict=True):
        counts.append(np.bincount(table.column("row").to_numpy(), minlength=shard.rows).astype(np.int64))
    write_array(directory / CSR_INDPTR, np.cumsum(np.concatenate(counts)))


def read_instance_neurons(directory: Place) -> InstanceNeurons:
    """Read the CSR arrays of a version; what an entry holds is read when it is looked at."""
    neurons, scores = (paged_array(directory / name) for name in (CSR_NEURONS, CSR_SCORES))
    return InstanceNeurons(read_bounds(directory / CSR_INDPTR, neurons, scores), neurons, scores)
