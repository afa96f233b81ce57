"""The tables of a shard come back as they were written."""

from pathlib import Path

import numpy as np
import pytest

from attridex.indexer.index.layout import OWN_COLUMNS
from attridex.indexer.index.tables import (
    NEURON_SCHEMA,
    count_neurons,
    neuron_batches,
    read_table,
    write_instances,
    write_neurons,
)
from tests.indexer.index.conftest import COLUMNS, described, random_contents


@pytest.mark.parametrize("count", [0, 9])
def test_instances_are_read_as_written(tmp_path: Path, count: int) -> None:
    rows = [{**described(row), "gradient_norm": row / 3} for row in range(count)]
    write_instances(tmp_path / "i.parquet", COLUMNS, rows)
    table = read_table(tmp_path / "i.parquet")
    assert table.column_names == [*OWN_COLUMNS, *COLUMNS]
    assert table.to_pylist() == rows
    assert read_table(tmp_path / "i.parquet", ["genre", "id"]).to_pylist() == [
        {"genre": row["genre"], "id": row["id"]} for row in rows
    ]


@pytest.mark.parametrize("rows", [0, 30])
def test_neurons_are_read_as_written(tmp_path: Path, rows: int) -> None:
    columns = random_contents(rows).neurons
    assert columns is not None
    write_neurons(tmp_path / "n.parquet", columns)
    table = read_table(tmp_path / "n.parquet")
    assert table.schema == NEURON_SCHEMA
    for name, values in columns.items():
        np.testing.assert_array_equal(table.column(name).to_numpy(), values)
    assert count_neurons(tmp_path / "n.parquet") == len(table) == sum(map(len, neuron_batches(tmp_path / "n.parquet")))
    assert read_table(tmp_path / "n.parquet", ["score"]).column_names == ["score"]
