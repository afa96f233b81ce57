"""The tables of a shard come back as they were written."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attridex.indexer.corpus.instances import RenderedInstance, from_encoding, stored_encoding
from attridex.indexer.index.layout import OWN_COLUMNS
from attridex.indexer.index.tables import (
    ENCODINGS_GROUP,
    NEURON_SCHEMA,
    count_neurons,
    neuron_batches,
    read_encoding,
    read_table,
    write_encodings,
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


def encoded(number: int) -> RenderedInstance:
    """A language model's instance, or one of two choices."""
    ids, language = tuple(range(number, number + 3)), number % 2 == 0
    common: dict[str, Any] = {"id": f"i{number}", "key": f"k{number}", "truncated": number % 3 == 0, "fields": {}}
    if language:
        return RenderedInstance(sequences=(ids,), label=None, outputs=("said",), reads=(0, 1), wanted=(7, 8), **common)
    return RenderedInstance(sequences=(ids, ids[:2]), label=1, outputs=("0", "1"), types=((0, 0, 1), (0, 1)), **common)


@pytest.mark.parametrize("row", [0, 1, ENCODINGS_GROUP - 1, ENCODINGS_GROUP, ENCODINGS_GROUP + 4])
def test_an_encoding_is_read_back_alone(tmp_path: Path, row: int) -> None:
    made = [encoded(number) for number in range(ENCODINGS_GROUP + 5)]
    write_encodings(tmp_path / "e.parquet", [stored_encoding(each) for each in made])
    assert from_encoding(read_encoding(tmp_path / "e.parquet", row)) == made[row]
