"""Posting arrays come back as they were written, and say what the shards' neurons say."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from attridex.indexer.index.postings import (
    read_instance_neurons,
    read_neuron_instances,
    write_instance_neurons,
    write_neuron_instances,
)
from attridex.indexer.index.shards import Shard
from tests.indexer.index.conftest import LAYERS, UNITS


def entries(shards: list[Shard]) -> list[tuple[int, int, float, float]]:
    """(row, neuron, score, weight) of every kept neuron, as the shards hold them."""
    names = ("row", "neuron", "score", "weight")
    return [
        (row + shard.start, neuron, score, weight)
        for shard in shards
        for row, neuron, score, weight in zip(*(shard.neurons().column(name).to_pylist() for name in names), strict=True)
    ]


@pytest.mark.parametrize("rows", [1, 14])
def test_neurons_of_instances(tmp_path: Path, shards: Callable[..., list[Shard]], rows: int) -> None:
    stored = shards(3, rows)
    write_instance_neurons(tmp_path, stored)
    kept = read_instance_neurons(tmp_path)
    expected = entries(stored)
    assert len(kept.indptr) == sum(shard.rows for shard in stored) + 1
    for row in range(len(kept.indptr) - 1):
        part = slice(kept.indptr[row], kept.indptr[row + 1])
        found = list(zip(kept.neurons[part].tolist(), kept.scores[part].tolist(), strict=True))
        assert found == [(neuron, score) for own, neuron, score, _ in expected if own == row]


@pytest.mark.parametrize("rows", [1, 14])
def test_instances_of_neurons(tmp_path: Path, shards: Callable[..., list[Shard]], rows: int) -> None:
    expected = sorted(entries(shards(3, rows)), key=lambda entry: (entry[1], entry[0]))
    columns = dict(zip(("row", "neuron", "score", "weight"), zip(*expected, strict=True), strict=True)) if expected else {}
    batches = pa.table(columns).to_batches(max_chunksize=5) if expected else []
    write_neuron_instances(tmp_path, LAYERS * UNITS, len(expected), batches)
    postings = read_neuron_instances(tmp_path)
    assert len(postings.indptr) == LAYERS * UNITS + 1
    for neuron in range(LAYERS * UNITS):
        part = slice(postings.indptr[neuron], postings.indptr[neuron + 1])
        mine = [(row, score, weight) for row, own, score, weight in expected if own == neuron]
        assert postings.rows[part].tolist() == [row for row, _, _ in mine]
        assert postings.scores[part].tolist() == [score for _, score, _ in mine]
        np.testing.assert_array_equal(postings.weights[part], np.array([weight for *_, weight in mine], np.float32))
