"""Inverted lists that FAISS holds on a GPU are asked there, within what it takes. Nothing here is FAISS's code for GPUs."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
import torch

from attridex.indexer.index import approximate
from attridex.indexer.index.shards import Shard
from attridex.service.devices import lists
from attridex.service.devices.lists import on_gpu

GPU = torch.device("cuda", 1)


class StandIn:
    """Behaves as FAISS's lists on a GPU do: they give a bounded number of rows (100 here)."""

    def __init__(self, index: Any) -> None:
        """Of lists in memory."""
        self.index, self.nprobe, self.asked = index, 1, list[int]()

    def search(self, queries: Any, k: int) -> Any:
        """As FAISS does."""
        assert k <= 100
        self.asked.append(k)
        self.index.nprobe = self.nprobe
        return self.index.search(queries, k)


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, StandIn]]:
    """What was copied to a GPU, with the GPU's number; there is room for all of it."""
    found: list[tuple[int, StandIn]] = []

    def copied(_resources: Any, number: int, index: Any) -> StandIn:
        found.append((number, StandIn(faiss.clone_index(index))))
        return found[-1][1]

    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    monkeypatch.setattr(faiss, "index_cpu_to_gpu", copied, raising=False)
    monkeypatch.setattr(lists, "free_bytes", lambda _device: 1 << 40)
    monkeypatch.setattr(lists, "MOST", 100)
    return found


def test_candidates_are_those_of_the_lists_in_memory(
    tmp_path: Path, shards: Callable[..., list[Shard]], there: list[tuple[int, StandIn]]
) -> None:
    stored = shards(3, 300)
    approximate.write_structures(tmp_path, stored, ["ivf", "sq8"])
    own, placed = (approximate.Approximate(tmp_path, "ivf", how) for how in (lambda index: index, partial(on_gpu, devices=[GPU])))
    units = np.concatenate([shard.vectors("gradients.faiss").block(0, shard.rows) for shard in stored])
    with ThreadPoolExecutor(1) as pool:
        for count in (10, 100, 101):
            found = [each.candidates(units[7], count, weighted=False, pool=pool, threads=1) for each in (own, placed)]
            np.testing.assert_array_equal(*found)
    ((number, stand_in),) = there
    assert (number, stand_in.asked) == (1, [10, 100])  # more than a GPU gives are looked for in memory
    approximate.Approximate(tmp_path, "sq8", partial(on_gpu, devices=[GPU]))
    assert len(there) == 1


def test_lists_without_room_or_without_faiss_for_gpus_stay_in_memory(
    there: list[tuple[int, StandIn]], monkeypatch: pytest.MonkeyPatch
) -> None:
    index = faiss.index_factory(8, "IVF4,SQ8", faiss.METRIC_INNER_PRODUCT)
    index.train(np.random.default_rng(0).normal(size=(400, 8)).astype(np.float32))
    index.add(np.random.default_rng(1).normal(size=(400, 8)).astype(np.float32))
    monkeypatch.setattr(lists, "free_bytes", lambda _device: 400)
    assert on_gpu(index, [GPU]) is index
    monkeypatch.setattr(lists, "free_bytes", lambda _device: 1 << 40)
    assert on_gpu(index, [torch.device("cpu")]) is index
    assert on_gpu(index, [GPU]) is not index
    monkeypatch.delattr(faiss, "StandardGpuResources")
    assert on_gpu(index, [GPU]) is index
