"""Structures for approximate search: what is written is found again, and pieces are what they should be."""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from attridex.indexer.approximate import structures as approximate
from attridex.indexer.config import Structure
from attridex.indexer.errors import DamageError
from attridex.indexer.index.shards import Shard
from tests.indexer.approximate.faiss_gpu import built_for_gpus


@pytest.mark.parametrize("kind", get_args(Structure))
def test_what_is_written_finds_the_rows_again(
    tmp_path: Path, shards: Callable[..., list[Shard]], kind: Structure, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "cagra":
        built_for_gpus(monkeypatch)
    stored = shards(3, 300)
    approximate.write_structures(tmp_path, stored, [kind])
    structure = approximate.Approximate(tmp_path, kind)
    units = np.concatenate([shard.vectors("gradients.faiss").block(0, shard.rows) for shard in stored])
    norms = np.concatenate([shard.norms() for shard in stored])
    assert sorted(structure.order) == list(range(len(norms)))
    np.testing.assert_array_equal(structure.norms, norms[structure.order])
    assert (np.diff(structure.norms) <= 0).all()
    with ThreadPoolExecutor(2) as pool:
        for row in range(0, len(norms), 50):
            for weighted in (False,) if kind in approximate.WHOLE else (False, True):
                found = structure.candidates(units[row], 120, weighted=weighted, pool=pool, threads=2)
                scores = units @ units[row] * (norms if weighted else 1)
                assert np.argmax(scores) in found
                assert len({*found.tolist()}) == len(found) <= 120


def test_pieces_hold_norms_that_are_alike() -> None:
    norms = np.sort(10 ** np.random.default_rng(0).uniform(-3, 3, 50000)).astype(np.float32)[::-1]
    bounds = approximate.bounds(norms)
    assert bounds[0] == 0
    assert bounds[-1] == len(norms)
    for start, stop in itertools.pairwise(bounds):
        assert 0 < stop - start <= approximate.PIECE
        assert stop - start <= approximate.LEAST_PIECE or norms[stop - 1] >= approximate.ALIKE * norms[start]


def test_turning_keeps_inner_products() -> None:
    vectors = np.random.default_rng(0).normal(size=(9, 37)).astype(np.float32)
    turned = approximate.rotated("rabitq", vectors)
    assert turned.shape == (9, 64)
    np.testing.assert_allclose(turned @ turned.T, vectors @ vectors.T, rtol=1e-4, atol=1e-4)  # float32 sums of 64
    np.testing.assert_array_equal(approximate.rotated("sq8", vectors), vectors)


def test_a_file_that_faiss_cannot_read_is_damage(tmp_path: Path, shards: Callable[..., list[Shard]]) -> None:
    approximate.write_structures(tmp_path, shards(), ["sq8"])
    (tmp_path / approximate.file_name("sq8", 0)).write_bytes(b"nothing")
    with pytest.raises(DamageError, match="approximate_sq8_0000"):
        approximate.Approximate(tmp_path, "sq8")
