"""Sums over shards: self-influence is what it says of each instance's stored gradient."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from attridex.indexer.building.build import build
from attridex.indexer.config import load_config
from attridex.indexer.curvature.over_shards import Statistics
from attridex.indexer.curvature.tensors import values_name, vectors_name
from attridex.indexer.index.layout import self_influence_columns
from attridex.indexer.index.shards import open_shards


def test_self_influence_is_the_quadratic_form_of_each_gradient(project: Callable[..., Path], tmp_path: Path) -> None:
    config = load_config(project(gradients={"curvature": ["fisher", "trak"]}, neurons={"enabled": False}))
    manifest = build(config, tmp_path / "i", show_progress=False).manifest
    shards = open_shards(tmp_path / "i", manifest.shards)
    rows = np.concatenate([shard.gradients() for shard in shards]).astype(float)
    statistics = Statistics(shards, manifest.blocks)
    tensors = statistics.curvatures(["fisher", "trak"])
    matrix = rows.T @ rows / len(rows)
    vectors, values = tensors[vectors_name("fisher", 0)], tensors[values_name("fisher", 0)]
    np.testing.assert_allclose(vectors @ np.diag(values) @ vectors.T, matrix, atol=1e-9)
    found = statistics.self_influence(["fisher", "trak"], tensors)
    assert list(found) == self_influence_columns(["fisher", "trak"]) == ["self_influence", "self_influence_fisher"]
    np.testing.assert_allclose(found["self_influence"], (rows**2).sum(1))
    damped = np.linalg.inv(matrix + 0.1 * np.trace(matrix) / len(matrix) * np.eye(len(matrix)))
    np.testing.assert_allclose(found["self_influence_fisher"], [row @ damped @ row for row in rows], rtol=1e-6)
