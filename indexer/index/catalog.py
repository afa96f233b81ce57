"""The catalog of a version: a DuckDB file with what is known of instances and neurons, for SQL."""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from attridex.indexer.array_types import Integers
from attridex.indexer.errors import DamageError, InputError, first_line
from attridex.indexer.held.files import Source, path_of
from attridex.indexer.held.private import private_copy
from attridex.indexer.held.waited import LOOKOUT, still_waited
from attridex.indexer.index.layout import OWN_COLUMNS, ROW
from attridex.indexer.index.tables import BATCH

MANY, SMALL_BLOCK, LARGE_BLOCK = 100_000, 16384, 262144
"""A catalog of fewer rows has small blocks: each column of each table takes one at least."""

FETCHED = 16384
"""Rows of a query that are taken between two looks whether it is still waited for."""
UNFIT = (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.TypeMismatchException)
"""What DuckDB raises of a parameter that it cannot compare with a column."""
CatalogRow = dict[str, Any]
"""Values of a row by its columns."""


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True)
class NeuronPlaces:
    """What turns a neuron's number into layer, expert and unit.

    Attributes:
        units: places of a layer, those of all its experts counted.
        experts: of a layer; 0 where there are none, and then the tables have no such column.
        expert_units: units of one expert; places behind them are of units without an expert.
    """

    units: int
    experts: int = 0
    expert_units: int = 0

    @property
    def names(self) -> str:
        """The columns that name a neuron."""
        return "layer, expert, unit" if self.experts else "layer, unit"

    @property
    def columns(self) -> str:
        """What makes the columns behind the layer of a neuron's number, as SQL."""
        place = f"(neuron % {self.units})"
        if not self.experts:
            return f"CAST({place} AS INTEGER) AS unit"
        routed = self.experts * self.expert_units
        unit = f"CASE WHEN {place} < {routed} THEN {place} % {self.expert_units} ELSE {place} - {routed} END"
        expert = f"CASE WHEN {place} < {routed} THEN CAST({place} // {self.expert_units} AS INTEGER) END"
        return f"{expert} AS expert, CAST({unit} AS INTEGER) AS unit"


class CatalogWriter:
    """Writes catalog.duckdb: one process, one connection, closed with nothing left in a write-ahead log."""

    def __init__(self, path: Path, columns: Mapping[str, str], places: NeuronPlaces, rows: int) -> None:
        """Create the tables, where the file is not there yet; else more is added to it.

        Args:
            path: its file.
            columns: DuckDB type of each column of the instances beside attridex's own.
            places: what turns a neuron's number into layer, expert and unit.
            rows: instances that are about to come.
        """
        begun = path.exists()
        self._places = places
        self._columns = {**OWN_COLUMNS, **columns}
        self._spill = path.parent / "spill"
        block = SMALL_BLOCK if rows < MANY else LARGE_BLOCK
        self._con = duckdb.connect(str(path), config={"default_block_size": str(block)})
        self._con.execute("SET memory_limit = '2GB'")
        self._con.execute(f"SET temp_directory = '{str(self._spill).replace(chr(39), chr(39) * 2)}'")
        if not begun:
            self._create()
        self._con.execute("CREATE TEMP TABLE unsorted (neuron INTEGER, row BIGINT, score FLOAT, rank INTEGER, weight DOUBLE)")

    def _create(self) -> None:
        """The tables, but those of neurons."""
        fields = ", ".join(f"{quoted(name)} {kind}" for name, kind in self._columns.items())
        self._con.execute(f"CREATE TABLE instances ({ROW} BIGINT PRIMARY KEY, {fields})")
        self._con.execute("CREATE TABLE predictions (row BIGINT, output INTEGER, label VARCHAR, probability FLOAT)")
        self._con.execute("CREATE TABLE runs (version VARCHAR, created VARCHAR, revision VARCHAR, attridex VARCHAR)")

    def allow_twins(self) -> None:
        """Let an id stand twice in a catalog of before; an update leaves the row that it replaces."""
        unique = self._con.execute("SELECT index_name FROM duckdb_indexes() WHERE is_unique AND NOT is_primary").fetchall()
        for (name,) in unique:
            self._con.execute(f"DROP INDEX {quoted(name)}")

    def add_instances(self, table: pa.Table, offset: int, more: Mapping[str, NDArray[Any]]) -> None:
        """Add a shard's instances with further columns; its rows begin at `offset`."""
        for name, values in more.items():
            table = table.append_column(name, pa.array(values))
        table = table.add_column(0, ROW, pa.array(np.arange(offset, offset + len(table), dtype=np.int64)))
        self._insert("instances", table, f"{ROW}, {', '.join(map(quoted, self._columns))}")

    def add_predictions(self, probabilities: NDArray[Any], names: Sequence[str] | None, offset: int) -> None:
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

    def add_neurons(self, batches: Iterable[pa.RecordBatch], offset: int) -> None:
        """Add a shard's kept neurons."""
        for batch in batches:
            table = pa.Table.from_batches([batch])
            rows = table.column("row").to_numpy().astype(np.int64) + offset
            self._insert("unsorted", table.set_column(0, "row", pa.array(rows)), "neuron, row, score, rank, weight")

    def take_over(self, source: Path, added: Mapping[str, pa.Array]) -> None:
        """Take what another catalog holds, with further columns of its instances [n], but not its runs.

        Args:
            source: its file.
            added: values of columns that it lacks, or of others that they replace.
        """
        self._con.execute(f"ATTACH '{str(source).replace(chr(39), chr(39) * 2)}' AS before (READ_ONLY)")
        old = self._con.sql(f"SELECT * FROM before.instances ORDER BY {ROW}").to_arrow_table()
        self.add_instances(old.select([name for name in self._columns if name not in added]), 0, added)
        self._con.execute("INSERT INTO predictions SELECT * FROM before.predictions")
        for (name,) in self._con.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 'before'").fetchall():
            if name not in ("instances", "predictions", "runs"):
                self._con.execute(f"CREATE TABLE {quoted(name)} AS SELECT * FROM before.{quoted(name)}")
        self._con.execute("DETACH before")

    def _insert(self, name: str, table: pa.Table, columns: str) -> None:
        self._con.register("incoming", table)
        self._con.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM incoming")
        self._con.unregister("incoming")

    def add_run(self, version: str, created: str, revision: str | None, attridex: str) -> None:
        """Say how this version came to be.

        Args:
            version: its name.
            created: when, in UTC.
            revision: Git revision of attridex.
            attridex: version of attridex.
        """
        self._con.execute("INSERT INTO runs VALUES (?, ?, ?, ?)", [version, created, revision, attridex])

    def sort_neurons(self) -> None:
        """Make the `neurons` table, sorted by neuron and row, so that a look-up reads one stretch of it."""
        self._con.execute(f"CREATE TABLE neurons AS {self._sorted}")
        self._con.execute("DROP TABLE unsorted")

    def append_neurons(self) -> None:
        """Add to the `neurons` table, where there is one, what was added since: a stretch more for a look-up."""
        self._con.execute(f"INSERT INTO neurons {self._sorted}")
        self._con.execute("DROP TABLE unsorted")

    @property
    def _sorted(self) -> str:
        """The neurons that were added, as SQL."""
        layer = f"CAST(neuron // {self._places.units} AS INTEGER) AS layer"
        return f"SELECT neuron, {layer}, {self._places.columns}, row, score, rank, weight FROM unsorted ORDER BY neuron, row"

    def summarise_neurons(self, alive: NDArray[np.bool_] | None = None) -> None:
        """Make `neuron_statistics`, the most often kept first, and `neuron_labels`, from `neurons` of the rows that are alive.

        `neuron_labels` has a row for each neuron and label of an instance that keeps it. `kind` says whose label it is, the
        corpus's ("label") or the model's ("predicted"); `share` is P(kept | label), and `lift` P(kept | label) / P(kept).
        Both stay as they are when instances are deleted.
        """
        names = self._places.names
        hidden = np.zeros(0, np.int64) if alive is None else np.flatnonzero(~alive)
        self._con.register("hidden", pa.table({"row": hidden}))
        live = "row NOT IN (SELECT row FROM hidden)"
        self._con.execute(
            f"""CREATE OR REPLACE TABLE neuron_statistics AS SELECT neuron, {names}, count(*) AS kept,
            count(*) / (SELECT count(*) FROM instances WHERE {live}) AS share, avg(CAST(score AS DOUBLE)) AS mean_score,
            max(score) AS max_score, avg(rank) AS mean_rank
            FROM neurons WHERE {live} GROUP BY neuron, {names} ORDER BY kept DESC, neuron"""
        )
        self._con.execute(
            f"""CREATE OR REPLACE TABLE neuron_labels AS
            WITH labelled AS (
                SELECT row, kind, name AS label FROM instances UNPIVOT (name FOR kind IN (label, predicted)) WHERE {live}
            ),
            sizes AS (SELECT kind, label, count(*) AS instances FROM labelled GROUP BY kind, label),
            counts AS (SELECT neuron, kind, label, count(*) AS kept FROM neurons JOIN labelled USING (row) GROUP BY ALL)
            SELECT neuron, {names}, kind, label, counts.kept, counts.kept / instances AS share,
            counts.kept / instances / statistics.share AS lift
            FROM counts JOIN sizes USING (kind, label) JOIN neuron_statistics AS statistics USING (neuron)
            ORDER BY kind, label, lift DESC, counts.kept DESC, neuron"""
        )
        self._con.unregister("hidden")

    def sorted_neurons(self) -> Iterator[pa.RecordBatch]:
        """The neurons table in its order, a batch at a time."""
        yield from self._con.sql("SELECT neuron, row, weight, score FROM neurons ORDER BY neuron, row").to_arrow_reader(BATCH)

    def neuron_count(self) -> int:
        """Rows of the neurons table."""
        return int(self._con.execute("SELECT count(*) FROM neurons").fetchall()[0][0])

    def finish(self) -> None:
        """Write everything into the file; an id stands once among the rows that are live."""
        self._con.execute("CREATE INDEX IF NOT EXISTS instance_ids ON instances (id)")
        self._con.execute("CHECKPOINT")

    def close(self) -> None:
        """Let the file go, and leave nothing beside it."""
        self._con.close()
        shutil.rmtree(self._spill, ignore_errors=True)


@contextmanager
def writing_catalog(path: Path, columns: Mapping[str, str], places: NeuronPlaces, rows: int) -> Iterator[CatalogWriter]:
    """Write a catalog, or add to one that is there; it is whole once the block ends well.

    Args:
        path: its file.
        columns: DuckDB type of each column of the instances beside attridex's own.
        places: what turns a neuron's number into layer, expert and unit.
        rows: instances that are about to come.

    Raises:
        OSError: DuckDB cannot write.
    """
    try:
        writer = CatalogWriter(path, columns, places, rows)
        try:
            yield writer
            writer.finish()
        finally:
            writer.close()
    except (duckdb.IOException, duckdb.TransactionException, duckdb.FatalException) as error:
        raise OSError(f"DuckDB: {str(error).splitlines()[0]}") from error


def read_only(path: Path, memory: int | None = None) -> duckdb.DuckDBPyConnection:
    """A connection that reads a catalog and reaches nothing else, in so many bytes of memory."""
    # As configuration, not as SET: a second reader in this process shares the instance, which is locked by then.
    config = {"enable_external_access": "false", "lock_configuration": "true"}
    bounded = {"memory_limit": f"{memory}B"} if memory else {}
    return duckdb.connect(str(path), read_only=True, config={**config, **bounded})


class Catalog:
    """A catalog that can only be read, by SQL that reaches nothing else; threads may share it."""

    def __init__(self, source: Source, memory: int | None = None) -> None:
        """Open it; of a held file a private copy is opened, which is gone from the disk once this is closed.

        Args:
            source: its file.
            memory: bytes that DuckDB may take; most of the machine's where None.

        Raises:
            DamageError: a write-ahead log lies beside it, or DuckDB cannot read it.
            OSError: there is no room for a copy.
        """
        path = path_of(source)
        if path.with_name(f"{path.name}.wal").exists():
            raise DamageError(f"{path}: a write-ahead log lies beside it; the version was not closed")
        try:
            if isinstance(source, Path):
                self._con = read_only(source, memory)
            else:
                with private_copy(source) as copy:
                    self._con = read_only(copy / path.name, memory)
            self._check_tables(path)
        except duckdb.Error as error:
            raise DamageError(str(error).splitlines()[0]) from error

    def _check_tables(self, path: Path) -> None:
        """Go on only with tables: a view is a query that somebody else wrote."""
        (views,) = self._con.sql("SELECT count(*) FROM duckdb_views() WHERE NOT internal").fetchall()[0]
        if views:
            self._con.close()
            raise DamageError(f"{path}: damaged (it has views, and attridex writes none)")

    @property
    def rows(self) -> int:
        """How many instances there are.

        Raises:
            DamageError: DuckDB cannot tell.
        """
        try:
            (found,) = self._con.cursor().sql("SELECT count(*) FROM instances").fetchall()[0]
        except duckdb.Error as error:
            raise DamageError(str(error).splitlines()[0]) from error
        return int(found)

    def kinds(self) -> dict[str, str]:
        """DuckDB's type of each column of the instances.

        Raises:
            DamageError: DuckDB cannot tell.
        """
        try:
            return dict(self._con.cursor().sql("SELECT column_name, column_type FROM (DESCRIBE instances)").fetchall())
        except duckdb.Error as error:
            raise DamageError(str(error).splitlines()[0]) from error

    def ids(self) -> pa.Array:
        """Ids of the instances, in row order.

        Raises:
            DamageError: DuckDB cannot read them.
        """
        return self.columns(["id"]).column("id").combine_chunks()

    def columns(self, names: Sequence[str]) -> pa.Table:
        """Columns of the instances, in row order.

        Raises:
            DamageError: DuckDB cannot read them.
        """
        try:
            chosen = ", ".join(map(quoted, names))
            return self._con.cursor().sql(f"SELECT {chosen} FROM instances ORDER BY {ROW}").to_arrow_table()
        except duckdb.Error as error:
            raise DamageError(str(error).splitlines()[0]) from error

    def select(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query; one that nobody waits for is stopped, see `waited_for`.

        Raises:
            InputError: a parameter fits its column no more than DuckDB can tell.
        """
        cursor = self._con.cursor()
        try:
            with LOOKOUT.over(cursor.interrupt):
                cursor.execute(sql, list(parameters))
                found: list[tuple[Any, ...]] = []
                while some := cursor.fetchmany(FETCHED):
                    found += some
                    still_waited()
        except UNFIT as error:
            raise InputError(f"a value does not fit its column: {first_line(error)}") from None
        return found

    def numbers(self, sql: str, parameters: Sequence[Any] = ()) -> Integers:
        """The one column of a query, of whole numbers; see `select`."""
        cursor = self._con.cursor()
        try:
            with LOOKOUT.over(cursor.interrupt):
                (found,) = cursor.execute(sql, list(parameters)).fetchnumpy().values()
        except UNFIT as error:
            raise InputError(f"a value does not fit its column: {first_line(error)}") from None
        return np.asarray(found, np.int64)

    def records(self, sql: str, parameters: Sequence[Any] = ()) -> list[CatalogRow]:
        """Rows of a query as values by column."""
        found = self._con.cursor().execute(sql, list(parameters))
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def close(self) -> None:
        """Let it go."""
        self._con.close()
