"""The catalog comes back as it was written, can only be read, and is let go of whatever happens."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from attridex.indexer.errors import DamageError
from attridex.indexer.index.catalog import Catalog, CatalogWriter, NeuronPlaces, quoted, writing_catalog
from attridex.indexer.index.layout import OWN_COLUMNS
from attridex.indexer.index.shards import Shard
from tests.indexer.index.conftest import COLUMNS, UNITS


@contextmanager
def written(path: Path, shards: list[Shard]) -> Iterator[CatalogWriter]:
    """A catalog of some shards, before it is closed."""
    with writing_catalog(path, {"self_influence": "DOUBLE", **COLUMNS}, NeuronPlaces(UNITS), 99) as catalog:
        for shard in shards:
            own = {"self_influence": np.arange(shard.start, shard.stop) / 2}
            catalog.add_instances(shard.instances(), shard.start, own)
            catalog.add_predictions(shard.predictions(), ["yes", "no", "maybe"], shard.start)
            catalog.add_neurons(shard.neuron_batches(), shard.start)
        catalog.sort_neurons()
        catalog.summarise_neurons()
        catalog.add_run("1", "today", None, "0.1")
        yield catalog


def test_tables_hold_what_the_shards_hold(tmp_path: Path, shards: Callable[..., list[Shard]]) -> None:
    stored = shards(3)
    with written(tmp_path / "c.duckdb", stored) as writer:
        assert writer.neuron_count() == sum(shard.neuron_count() for shard in stored)
    assert not (tmp_path / "spill").exists()
    assert not (tmp_path / "c.duckdb.wal").exists()
    instances = [row for shard in stored for row in shard.instances().to_pylist()]
    with closing(Catalog(tmp_path / "c.duckdb")) as catalog:
        assert catalog.ids().to_pylist() == [row["id"] for row in instances]
        records = catalog.records("SELECT * FROM instances ORDER BY row")
        assert list(records[0]) == ["row", *OWN_COLUMNS, "self_influence", *COLUMNS]
        assert records == [{"row": at, **row, "self_influence": at / 2} for at, row in enumerate(instances)]
        probabilities = np.concatenate([shard.predictions() for shard in stored])
        for row, output, label, probability in catalog.select("SELECT * FROM predictions"):
            assert probability == probabilities[row, output]
            assert label == ["yes", "no", "maybe"][output]
        assert catalog.select("SELECT count(*) FROM predictions")[0][0] == np.isfinite(probabilities).sum()
        neurons = [{**row, "row": row["row"] + shard.start} for shard in stored for row in shard.neurons().to_pylist()]
        found = catalog.records("SELECT row, neuron, score, rank, weight FROM neurons")
        assert found == sorted(neurons, key=lambda row: (row["neuron"], row["row"]))
        assert catalog.select("SELECT count(*) FROM neurons WHERE neuron <> layer * ? + unit", [UNITS])[0][0] == 0
        assert catalog.select("SELECT * FROM runs") == [("1", "today", None, "0.1")]


def test_outputs_without_names_are_numbered_and_a_single_one_is_the_label(tmp_path: Path, shards: Any) -> None:
    (shard,) = shards(1)
    for probabilities, names in ((shard.predictions(), {"0", "1", "2"}), (np.ones((shard.rows, 1), np.float32), None)):
        path = tmp_path / f"{probabilities.shape[1]}.duckdb"
        with writing_catalog(path, COLUMNS, NeuronPlaces(UNITS), 9) as catalog:
            catalog.add_instances(shard.instances(), 0, {})
            catalog.add_predictions(probabilities, None, 0)
        with closing(Catalog(path)) as stored:
            found = stored.select("SELECT p.label, i.label FROM predictions AS p JOIN instances AS i USING (row)")
        assert {given for given, _ in found} == names if names else all(given == label for given, label in found)


def test_an_id_may_stand_twice_since_an_update_leaves_the_row_that_it_replaces(
    tmp_path: Path, shards: Callable[..., list[Shard]]
) -> None:
    (shard,) = shards(1)
    with writing_catalog(tmp_path / "c.duckdb", COLUMNS, NeuronPlaces(UNITS), 9) as catalog:
        catalog.add_instances(shard.instances(), 0, {})
        catalog.add_instances(shard.instances(), shard.rows, {})
    with closing(Catalog(tmp_path / "c.duckdb")) as stored:
        assert stored.select("SELECT count(*), count(DISTINCT id) FROM instances") == [(2 * shard.rows, shard.rows)]


def test_a_disk_that_refuses_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="DuckDB: "), writing_catalog(tmp_path / "none" / "c.duckdb", {}, NeuronPlaces(UNITS), 9):
        pass


def test_a_reader_can_neither_write_nor_reach_out(old: Path) -> None:
    with closing(Catalog(old / "versions" / "1" / "catalog.duckdb")) as catalog:
        for sql in ("DELETE FROM instances", "SET lock_configuration = false", f"SELECT * FROM '{old}/shards/*/*.parquet'"):
            with pytest.raises(duckdb.Error):
                catalog.select(sql)


def test_what_is_no_whole_catalog_is_damage(old: Path, tmp_path: Path) -> None:
    path = old / "versions" / "1" / "catalog.duckdb"
    path.with_name("catalog.duckdb.wal").touch()
    with pytest.raises(DamageError, match="write-ahead log"):
        Catalog(path)
    (tmp_path / "c.duckdb").write_bytes(b"no catalog" * 9999)
    with pytest.raises(DamageError, match=r"c\.duckdb"):
        Catalog(tmp_path / "c.duckdb")
    with duckdb.connect(str(tmp_path / "empty.duckdb")) as con:
        con.execute("CREATE TABLE other (x INTEGER)")
    with closing(Catalog(tmp_path / "empty.duckdb")) as catalog, pytest.raises(DamageError, match="instances"):
        catalog.ids()


def test_names_are_quoted() -> None:
    assert quoted('a"b') == '"a""b"'
    assert duckdb.sql(f"SELECT 1 AS {quoted('select')}").columns == ["select"]
