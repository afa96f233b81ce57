"""One shard: the arrays of a range of instances, written as files, and read back kind by kind."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from attridex.indexer.held.files import Place
from attridex.indexer.index.arrays import Float64, read_array, read_tensors, write_array, write_tensors
from attridex.indexer.index.layout import (
    ENCODINGS,
    FACTORS,
    GRADIENTS,
    HIDDEN,
    HIDDEN_NORMS,
    INSTANCES,
    NEURONS,
    NORMS,
    NORMS_OF,
    PREDICTIONS,
    shard_dir,
)
from attridex.indexer.index.records import ShardEntry
from attridex.indexer.index.tables import (
    Row,
    count_neurons,
    neuron_batches,
    read_encoding,
    read_table,
    write_encodings,
    write_instances,
    write_neurons,
)
from attridex.indexer.index.vectors import Float32, Part, VectorFile, Vectors, unit_rows, write_vectors


@dataclass(frozen=True)
class ShardContents:
    """What is known of a range of instances; n of them are written, of the m that there are.

    Attributes:
        rows: which of the m are written, ascending [n].
        vectors: each kind of vector by its file's name, of all m.
        predictions: output probabilities, NaN where an instance has fewer outputs [n, C].
        instances: values of each column but the gradient's norm, n records.
        neurons: columns of the neurons table by name, rows counted among the n, if neurons are kept.
        factors: sums of K-FAC's factors by name, if a curvature needs them.
        encodings: what the model reads of each instance, n records, where the columns do not say it.
    """

    rows: Sequence[int]
    vectors: Mapping[str, Float32]
    predictions: Float32
    instances: Sequence[Row]
    neurons: Mapping[str, NDArray[Any]] | None = None
    factors: Mapping[str, Float64] | None = None
    encodings: Sequence[Row] | None = None


def write_shard(directory: Path, contents: ShardContents, columns: Mapping[str, str], precision: Callable[[int], str]) -> None:
    """Write all files of a shard but its sidecar; one kind of vector is copied at a time.

    Args:
        directory: where.
        contents: what.
        columns: DuckDB type of each of the corpus's columns.
        precision: element type of stored vectors of so many dimensions, "float32" or "float16".
    """
    for name, vectors in contents.vectors.items():
        units, norms = unit_rows(vectors[contents.rows])
        write_vectors(directory / name, units, precision(units.shape[1]))
        if name in NORMS_OF:
            write_array(directory / NORMS_OF[name], norms)
    write_array(directory / PREDICTIONS, contents.predictions)
    norms = read_array(directory / NORMS)
    described = [{**row, "gradient_norm": float(norm)} for row, norm in zip(contents.instances, norms, strict=True)]
    write_instances(directory / INSTANCES, columns, described)
    if contents.neurons is not None:
        write_neurons(directory / NEURONS, contents.neurons)
    if contents.factors is not None:
        write_tensors(directory / FACTORS, contents.factors)
    if contents.encodings is not None:
        write_encodings(directory / ENCODINGS, contents.encodings)


@dataclass(frozen=True)
class Shard:
    """A shard of a version, for reading.

    Attributes:
        directory: where its files lie.
        start: the version's row of its first instance.
        rows: instances n.
    """

    directory: Place
    start: int
    rows: int

    @property
    def stop(self) -> int:
        """The row after its last instance."""
        return self.start + self.rows

    def vectors(self, name: str) -> VectorFile:
        """Rows of length 1 of a kind of vector, by the file's name."""
        return VectorFile(self.directory / name)

    def norms(self, name: str = NORMS) -> Float32:
        """Norms of a kind of vector [n], by the file's name."""
        return read_array(self.directory / name)

    def scaled(self, name: str, norms: str) -> Float32:
        """A kind of vector with its norms, [n, d]."""
        vectors = self.vectors(name)
        return vectors.block(0, vectors.rows) * self.norms(norms)[:, None]

    def part(self, name: str, norms: str | None) -> Part:
        """A kind of vector, and what each is multiplied by when it is searched: its norm, or 1 without a file of norms."""
        return self.part_of(self.vectors(name), norms)

    def part_of(self, vectors: Vectors, norms: str | None) -> Part:
        """Such vectors of this shard, with their norms; see `part`."""
        return Part(vectors, self.norms(norms) if norms else np.ones(vectors.rows, np.float32), self.start)

    def gradients(self) -> Float32:
        """Gradients [n, d]."""
        return self.scaled(GRADIENTS, NORMS)

    def hidden(self) -> Float32:
        """States that the head reads [n, h]."""
        return self.scaled(HIDDEN, HIDDEN_NORMS)

    def predictions(self) -> Float32:
        """Output probabilities [n, C]."""
        return read_array(self.directory / PREDICTIONS)

    def instances(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The instances table, or some columns of it."""
        return read_table(self.directory / INSTANCES, columns)

    def encoding(self, row: int) -> dict[str, Any]:
        """What the model reads of an instance; rows are counted from 0."""
        return read_encoding(self.directory / ENCODINGS, row)

    def neurons(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The kept neurons, or some columns of them; rows are counted from 0."""
        return read_table(self.directory / NEURONS, columns)

    def neuron_batches(self) -> Iterator[pa.RecordBatch]:
        """The kept neurons, a batch at a time."""
        return neuron_batches(self.directory / NEURONS)

    def neuron_count(self) -> int:
        """How many neurons its instances keep, summed over them."""
        return count_neurons(self.directory / NEURONS)

    def factors(self) -> dict[str, Float64]:
        """Sums of K-FAC's factors by name."""
        return read_tensors(self.directory / FACTORS)


def open_shards(index: Path, entries: Sequence[ShardEntry]) -> list[Shard]:
    """The shards of a version, in the order of their rows."""
    found, start = list[Shard](), 0
    for entry in entries:
        found.append(Shard(shard_dir(index, entry.name), start, entry.rows))
        start += entry.rows
    return found
