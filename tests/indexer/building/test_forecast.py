"""Forecasts are plain arithmetic on a pilot's figures."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from attridex.indexer.building.forecast import (
    Forecast,
    extrapolated,
    forecast_memory,
    forecast_time,
    other_bytes,
    vector_bytes,
)
from attridex.indexer.building.load import Load
from attridex.indexer.building.pilot import Pilot, Timing
from attridex.indexer.index.layout import CATALOG, GRADIENTS, HIDDEN, INSTANCES, MANIFEST, NORMS, SIDECAR
from tests.indexer.building.conftest import Begun


def test_time_that_grows_by_sequences_and_tokens_is_found_exactly() -> None:
    work = np.array([[1, 10], [3, 20], [2, 50], [4, 40]], float)
    assert extrapolated(work, work @ [0.5, 0.25], Load(0, 0, 100, 1000)) == pytest.approx(300)
    fewer = work[:2]  # too few for two rates: by tokens
    assert extrapolated(fewer, np.array([1.0, 2.0]), Load(0, 0, 100, 300)) == pytest.approx(3.0 * 300 / 30)
    falling = np.array([3.0, 2.0, 1.0, 0.5])  # no sound rates: by tokens
    assert extrapolated(work, falling, Load(0, 0, 10, 240)) == pytest.approx(6.5 * 240 / 120)


def test_gradients_take_time_by_tokens_and_the_corpus_is_read_twice() -> None:
    timings = [Timing(Load(2, 30, 2, 30), 1.5, 0.0), Timing(Load(1, 10, 1, 10), 0.5, 0.0)]
    found = forecast_time(Pilot(3, timings, 0, 0, {}, {}, {}), Load(100, 400, 100, 400), 0.25)
    assert found == {"reading": 0.5, "gradients": 20.0, "neurons": 0.0, "total": 20.5}


def test_sizes_grow_by_instance_from_what_they_are_for_none(begun: Callable[..., Begun]) -> None:
    _, plan, signer = begun(count=40, index={"shard_rows": 10}, neurons={"enabled": False})
    vectors = vector_bytes(plan, signer)
    assert vectors == {Path(name).stem: 40 * dim * 4 for name, dim in ((GRADIENTS, signer.gradient_dim), (HIDDEN, 24))}
    empty = {GRADIENTS: 45, HIDDEN: 45, NORMS: 128, INSTANCES: 1000, SIDECAR: 0}
    shard = {GRADIENTS: 45 + 80 * signer.gradient_dim, HIDDEN: 45 + 80 * 24, NORMS: 208, INSTANCES: 3000, SIDECAR: 500}
    pilot = Pilot(20, [], 0, 0, empty, shard, {MANIFEST: 700, "bm25_data.npy": 228, CATALOG: 5000})
    headers, listed = 4 * 90, 4 * 200
    tables = 4 * 1128 + 40 * (4 + 100) + 4 * 500
    catalog = 5000 + 20 * (48 + 100 + 9 * 3)  # a row, its texts, its three probabilities
    assert other_bytes(plan, signer, pilot) == headers + tables + 700 + 328 + catalog + listed


def test_a_forecast_has_the_names_that_json_shows() -> None:
    found = Forecast(1, 2, 3, 4, 5, 6, {"gradients": 7}, 8, {"model": 1}, {"reading": 1.0}, 9)
    assert list(vars(found)) == [
        "instances", "tokens", "truncated", "gradient_dim", "shards", "pilot", "vectors", "disk", "memory", "seconds", "there",
        "fast_neurons", "left_out", "fit", "unreplayed",
    ]  # fmt: skip


def test_memory_on_a_cpu_is_that_of_one_process(begun: Callable[..., Begun]) -> None:
    _, plan, signer = begun(count=40, index={"shard_rows": 10}, neurons={"enabled": False})
    found = forecast_memory(plan, signer, Pilot(20, [], 1000, 0, {}, {}, {}), 1 << 30)
    arrays = 10 * 4 * (2 * (signer.gradient_dim + 24) + 3 * max(signer.gradient_dim, 24))
    assert list(found) == ["model", "pass", "range", "process", "host", "device"]
    assert found["process"] == (1 << 30) - found["model"] > 0
    assert (found["pass"], found["range"], found["host"], found["device"]) == (1000, arrays, (1 << 30) + arrays + 1000, 0)
