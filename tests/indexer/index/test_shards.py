"""A shard holds what was given, for the rows that were named, and nothing of what was not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from attridex.indexer.index.layout import (
    ACTIVATIONS,
    ATTRIBUTIONS,
    ENCODINGS,
    FACTORS,
    GRADIENTS,
    HIDDEN,
    HIDDEN_NORMS,
    NEURONS,
    NORMS,
    SHARD_FILES,
    SIDECAR,
    TRACIN,
    TRACIN_NORMS,
)
from attridex.indexer.index.shards import Shard, write_shard
from attridex.indexer.index.vectors import unit_rows
from tests.indexer.index.conftest import COLUMNS, random_contents


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-6), ("float16", 1e-3)])  # half has 11 bits
def test_a_shard_is_read_as_written(shards: Callable[..., list[Shard]], precision: str, tolerance: float) -> None:
    (shard,) = shards(1, 20, precision)
    contents = random_contents(20)
    rows = list(contents.rows)
    assert shard.rows == len(rows) < 20
    scaled = {"atol": tolerance * float(np.abs(contents.vectors[GRADIENTS]).max())}
    np.testing.assert_allclose(shard.gradients(), contents.vectors[GRADIENTS][rows], rtol=tolerance, **scaled)
    np.testing.assert_allclose(shard.hidden(), contents.vectors[HIDDEN][rows], rtol=tolerance, atol=tolerance * 5)
    np.testing.assert_allclose(
        shard.scaled(TRACIN, TRACIN_NORMS), contents.vectors[TRACIN][rows], rtol=tolerance, atol=tolerance * 9
    )
    for name in (ACTIVATIONS, ATTRIBUTIONS):
        vectors = contents.vectors[name]
        np.testing.assert_allclose(shard.part(name, None).vectors.block(0, len(rows)), unit_rows(vectors[rows])[0], atol=1e-3)
    np.testing.assert_array_equal(shard.predictions(), contents.predictions)
    np.testing.assert_array_equal(shard.norms(), unit_rows(contents.vectors[GRADIENTS][rows])[1])
    described = [{**row, "gradient_norm": float(norm)} for row, norm in zip(contents.instances, shard.norms(), strict=True)]
    assert sorted(shard.instances().column_names) == sorted(described[0])
    assert shard.instances().to_pylist() == [{name: row[name] for name in shard.instances().column_names} for row in described]
    assert contents.neurons is not None
    assert shard.neuron_count() == len(shard.neurons()) == len(contents.neurons["row"])
    assert contents.factors is not None
    for name, values in shard.factors().items():
        np.testing.assert_array_equal(values, contents.factors[name])


def test_a_shard_has_the_files_that_are_described(tmp_path: Path) -> None:
    least = {name: random_contents(9).vectors[name] for name in (GRADIENTS, HIDDEN)}
    for number, contents in enumerate(
        (
            random_contents(9),
            replace(random_contents(9), vectors=least, neurons=None, factors=None),
        )
    ):
        directory = tmp_path / str(number)
        directory.mkdir()
        write_shard(directory, contents, COLUMNS, lambda _dim: "float32")
        optional = {TRACIN, TRACIN_NORMS, ACTIVATIONS, ATTRIBUTIONS, NEURONS, FACTORS}
        expected = {kind.name for kind in SHARD_FILES} - {SIDECAR, ENCODINGS} - (optional if number else set())
        assert {path.name for path in directory.iterdir()} == expected


def test_no_row_is_a_shard_too(tmp_path: Path) -> None:
    contents = random_contents(1)
    write_shard(tmp_path, contents, COLUMNS, lambda _dim: "float16")
    shard = Shard(tmp_path, 0, 0)
    assert shard.gradients().shape == (0, 6)
    assert len(shard.instances()) == shard.neuron_count() == 0


def test_shards_stand_one_after_the_other(shards: Callable[..., list[Shard]]) -> None:
    found = shards(3, 10)
    assert [shard.start for shard in found] == [0, *(shard.stop for shard in found[:-1])]
    part = found[1].part(HIDDEN, HIDDEN_NORMS)
    assert part.offset == found[1].start
    np.testing.assert_array_equal(part.norms, found[1].norms(HIDDEN_NORMS))
    np.testing.assert_array_equal(found[1].part(HIDDEN, None).norms, np.ones(found[1].rows))
    assert NORMS in {path.name for path in found[1].directory.iterdir()}
