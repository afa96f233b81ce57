"""Tables of the index: Parquet in shards, one DuckDB catalog and sparse posting arrays in a version."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.lib.format import open_memmap

from attridex.indexer.errors import InputError
from attridex.indexer.index.layout import CSC_INDPTR, CSC_ROWS, CSC_SCORES, CSC_WEIGHTS, CSR_INDPTR, CSR_NEURONS, CSR_SCORES

OWN_COLUMNS = {
    "id": "VARCHAR",
    "content_hash": "VARCHAR",
    "label": "VARCHAR",
    "predicted": "VARCHAR",
    "loss": "DOUBLE",
    "gradient_norm": "DOUBLE",
    "tokens": "INTEGER",
    "truncated": "BOOLEAN",
}
"""Columns of the instances table beside `row` and the corpus's own."""
ARROW = {
    "VARCHAR": pa.string(),
    "DOUBLE": pa.float64(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
}
NEURON_SCHEMA = pa.schema(
    [("row", pa.int32()), ("neuron", pa.int32()), ("score", pa.float32()), ("rank", pa.int32()), ("weight", pa.float64())]
)
BATCH = 1 << 18
"""Rows of the neurons table that are held at a time."""
MANY, SMALL_BLOCK, LARGE_BLOCK = 100_000, 16384, 262144
"""A catalog of fewer rows has small blocks: each column of each table takes one at least."""


def write_instances(path: Path, columns: dict[str, str], rows: Sequence[dict[str, Any]]) -> None:
    """Write a shard's instances; `columns` gives the DuckDB type of each field."""
    kinds = {**OWN_COLUMNS, **columns}
    schema = pa.schema([(name, ARROW[kind]) for name, kind in kinds.items()])
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path, compression="zstd")


def write_neurons(path: Path, columns: dict[str, np.ndarray[Any, Any]]) -> None:
    """Write a shard's kept neurons, instance by instance in descending score."""
    pq.write_table(pa.table(columns, schema=NEURON_SCHEMA), path)


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class Catalog:
    """Writes catalog.duckdb: one process, one connection, closed with nothing left in a write-ahead log."""

    def __init__(self, path: Path, columns: dict[str, str], units: int, rows: int) -> None:
        """Create the tables; `units` (F) turns neuron ids into (layer, unit), `rows` are about to come."""
        self._path = path
        self._units = units
        self._columns = {**OWN_COLUMNS, **columns}
        block = SMALL_BLOCK if rows < MANY else LARGE_BLOCK
        self._con = duckdb.connect(str(path), config={"default_block_size": str(block)})
        self._con.execute("SET memory_limit = '2GB'")
        self._con.execute(f"SET temp_directory = '{str(path.parent).replace(chr(39), chr(39) * 2)}/spill'")
        fields = ", ".join(f"{quoted(name)} {kind}" for name, kind in self._columns.items())
        self._con.execute(f"CREATE TABLE instances (row BIGINT PRIMARY KEY, {fields})")
        self._con.execute("CREATE TABLE predictions (row BIGINT, output INTEGER, label VARCHAR, probability FLOAT)")
        self._con.execute("CREATE TABLE runs (version VARCHAR, created VARCHAR, revision VARCHAR, attridex VARCHAR)")
        self._con.execute("CREATE TEMP TABLE unsorted (neuron INTEGER, row BIGINT, score FLOAT, rank INTEGER, weight DOUBLE)")

    def add_instances(self, path: Path, offset: int, more: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Add a shard's instances with further columns; its rows begin at `offset`."""
        table = pq.read_table(path)
        for name, values in more.items():
            table = table.append_column(name, pa.array(values))
        table = table.add_column(0, "row", pa.array(np.arange(offset, offset + len(table), dtype=np.int64)))
        self._insert("instances", table, f"row, {', '.join(map(quoted, self._columns))}")

    def add_predictions(self, probabilities: np.ndarray[Any, Any], names: Sequence[str] | None, offset: int) -> None:
        """Add a shard's output probabilities [rows, C], NaN where a row has fewer outputs.

        `names` are those of the outputs; without names, an output is named by its number, a single one by the row's label.
        """
        rows, outputs = probabilities.shape
        numbers = np.tile(np.arange(outputs, dtype=np.int32), rows)
        own = list(names) if names else [None if outputs == 1 else str(number) for number in range(outputs)]
        table = pa.table(
            {
                "row": np.repeat(np.arange(offset, offset + rows, dtype=np.int64), outputs),
                "output": numbers,
                "label": pa.array(own * rows, pa.string()),
                "probability": probabilities.reshape(-1).astype(np.float32),
            }
        ).filter(pa.array(~np.isnan(probabilities.reshape(-1))))
        self._insert("predictions", table, "row, output, label, probability")
        self._con.execute(
            "UPDATE predictions SET label = instances.label FROM instances "
            "WHERE predictions.label IS NULL AND instances.row = predictions.row"
        )

    def add_neurons(self, path: Path, offset: int) -> None:
        """Add a shard's kept neurons."""
        with pq.ParquetFile(path) as stored:
            for batch in stored.iter_batches(batch_size=BATCH):
                table = pa.Table.from_batches([batch])
                rows = table.column("row").to_numpy().astype(np.int64) + offset
                table = table.set_column(0, "row", pa.array(rows))
                self._insert("unsorted", table, "neuron, row, score, rank, weight")

    def _insert(self, name: str, table: pa.Table, columns: str) -> None:
        self._con.register("incoming", table)
        self._con.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM incoming")
        self._con.unregister("incoming")

    def add_run(self, version: str, created: str, revision: str | None, attridex: str) -> None:
        """Say how this version came to be."""
        self._con.execute("INSERT INTO runs VALUES (?, ?, ?, ?)", [version, created, revision, attridex])

    def sort_neurons(self) -> None:
        """Make the `neurons` table, sorted by neuron and row, so that a look-up reads one stretch of it."""
        self._con.execute(
            f"""CREATE TABLE neurons AS SELECT neuron, CAST(neuron // {self._units} AS INTEGER) AS layer,
            CAST(neuron % {self._units} AS INTEGER) AS unit, row, score, rank, weight FROM unsorted ORDER BY neuron, row"""
        )
        self._con.execute("DROP TABLE unsorted")

    def summarise_neurons(self) -> None:
        """Make `neuron_statistics`, the most often kept first, and `neuron_labels`, from the `neurons` of all instances.

        `neuron_labels` has a row for each neuron and label of an instance that keeps it. `kind` says whose label it is, the
        corpus's ("label") or the model's ("predicted"); `share` is P(kept | label), and `lift` P(kept | label) / P(kept).
        Both stay as they are when instances are deleted.
        """
        self._con.execute(
            """CREATE TABLE neuron_statistics AS SELECT neuron, layer, unit, count(*) AS kept,
            count(*) / (SELECT count(*) FROM instances) AS share, avg(CAST(score AS DOUBLE)) AS mean_score,
            max(score) AS max_score, avg(rank) AS mean_rank
            FROM neurons GROUP BY neuron, layer, unit ORDER BY kept DESC, neuron"""
        )
        self._con.execute(
            """CREATE TABLE neuron_labels AS
            WITH labelled AS (SELECT row, kind, name AS label FROM instances UNPIVOT (name FOR kind IN (label, predicted))),
            sizes AS (SELECT kind, label, count(*) AS instances FROM labelled GROUP BY kind, label),
            counts AS (SELECT neuron, kind, label, count(*) AS kept FROM neurons JOIN labelled USING (row) GROUP BY ALL)
            SELECT neuron, layer, unit, kind, label, counts.kept, counts.kept / instances AS share,
            counts.kept / instances / statistics.share AS lift
            FROM counts JOIN sizes USING (kind, label) JOIN neuron_statistics AS statistics USING (neuron)
            ORDER BY kind, label, lift DESC, counts.kept DESC, neuron"""
        )

    def sorted_neurons(self) -> Iterator[pa.RecordBatch]:
        """The neurons table in its order, a batch at a time."""
        yield from self._con.sql("SELECT neuron, row, weight, score FROM neurons ORDER BY neuron, row").to_arrow_reader(BATCH)

    def neuron_count(self) -> int:
        """Rows of the neurons table."""
        return int(self._con.execute("SELECT count(*) FROM neurons").fetchall()[0][0])

    def close(self) -> None:
        """Check ids, write everything into the file, and leave no log beside it.

        Raises:
            InputError: an id stands twice.
        """
        twice = self._con.execute("SELECT id FROM instances GROUP BY id HAVING count(*) > 1 LIMIT 1").fetchall()
        if twice:
            raise InputError(f"duplicate id '{twice[0][0]}'; ids must be unique over the index")
        self._con.execute("CREATE UNIQUE INDEX instance_ids ON instances (id)")
        self._con.execute("CHECKPOINT")
        self._con.close()


def new_array(path: Path, dtype: type[np.generic], size: int) -> np.ndarray[Any, Any]:
    """A .npy file of `size` elements to be filled in place."""
    if size == 0:  # an empty file cannot be mapped
        np.save(path, np.zeros(0, dtype))
        return np.zeros(0, dtype)
    array: np.ndarray[Any, Any] = open_memmap(path, "w+", np.dtype(dtype), (size,))
    return array


def write_postings(catalog: Catalog, directory: Path, neurons: int) -> None:
    """Write the CSC arrays (neuron -> instances) from a sorted catalog; `neurons` is L * F."""
    size = catalog.neuron_count()
    rows = new_array(directory / CSC_ROWS, np.int32, size)
    weights = new_array(directory / CSC_WEIGHTS, np.float32, size)
    scores = new_array(directory / CSC_SCORES, np.float32, size)
    counts = np.zeros(neurons + 1, np.int64)
    at = 0
    for batch in catalog.sorted_neurons():
        part = slice(at, at + len(batch))
        rows[part] = batch.column("row").to_numpy()
        weights[part] = batch.column("weight").to_numpy()
        scores[part] = batch.column("score").to_numpy()
        counts[1:] += np.bincount(batch.column("neuron").to_numpy(), minlength=neurons)
        at += len(batch)
    del rows, weights, scores  # closes the maps: what is written is in the files
    np.save(directory / CSC_INDPTR, np.cumsum(counts))


def write_instance_neurons(shards: Sequence[tuple[Path, int]], directory: Path) -> None:
    """Write the CSR arrays (instance -> neurons) from shards' Parquet files and row counts."""
    size = sum(pq.read_metadata(path).num_rows for path, _ in shards)
    neurons = new_array(directory / CSR_NEURONS, np.int32, size)
    scores = new_array(directory / CSR_SCORES, np.float32, size)
    counts = [np.zeros(1, np.int64)]
    at = 0
    for path, rows in shards:
        table = pq.read_table(path, columns=["row", "neuron", "score"])
        part = slice(at, at + len(table))
        neurons[part] = table.column("neuron").to_numpy()
        scores[part] = table.column("score").to_numpy()
        counts.append(np.bincount(table.column("row").to_numpy(), minlength=rows).astype(np.int64))
        at += len(table)
    del neurons, scores
    np.save(directory / CSR_INDPTR, np.cumsum(np.concatenate(counts)))
