"""Lists and graphs that FAISS holds on a GPU are asked there, within what it takes. Nothing here is FAISS's code for GPUs."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import faiss
import numpy as np
import pytest
import torch

from attridex.indexer.approximate import structures as approximate
from attridex.indexer.index.shards import Shard
from attridex.indexer.sections import Structure
from attridex.service.devices import memory, structures
from attridex.service.devices.structures import on_gpu
from tests.indexer.approximate.faiss_gpu import Gpus, OnGpu, built_for_gpus

GPU = torch.device("cuda", 1)


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Gpus:
    """GPUs with room, which give few rows."""
    monkeypatch.setattr(memory, "free_bytes", lambda _device: 1 << 40)
    for name in ("LISTS_MOST", "GRAPH_MOST"):
        monkeypatch.setattr(structures, name, OnGpu.most)
    return built_for_gpus(monkeypatch)


@pytest.mark.parametrize(("kind", "walks"), [("ivf", [None, None]), ("cagra", [64, 128])])
def test_candidates_are_those_of_the_structure_in_memory(
    tmp_path: Path, shards: Callable[..., list[Shard]], gpus: Gpus, kind: Structure, walks: list[int | None]
) -> None:
    stored = shards(3, 300)
    approximate.write_structures(tmp_path, stored, [kind, "sq8"])
    own, placed = (approximate.Approximate(tmp_path, kind, how) for how in (lambda index: index, partial(on_gpu, devices=[GPU])))
    units = np.concatenate([shard.vectors("gradients.faiss").block(0, shard.rows) for shard in stored])
    with ThreadPoolExecutor(1) as pool:
        for count in (10, 100, 101):
            found = [each.candidates(units[7], count, weighted=False, pool=pool, threads=1) for each in (own, placed)]
            np.testing.assert_array_equal(*found)
    ((number, there),) = gpus.copied
    assert (number, [k for k, _ in there.asked]) == (1, [10, 100])  # more than a GPU gives are looked for in memory
    assert [params and params.itopk_size for _, params in there.asked] == walks
    approximate.Approximate(tmp_path, "sq8", partial(on_gpu, devices=[GPU]))
    assert len(gpus.copied) == 1


def lists() -> faiss.Index:
    return faiss.index_factory(8, "IVF4,SQ8", faiss.METRIC_INNER_PRODUCT)


def graph() -> faiss.Index:
    return faiss.IndexHNSWCagra(8, 16, faiss.METRIC_INNER_PRODUCT)


@pytest.mark.parametrize(("make", "needed"), [(lists, "StandardGpuResources"), (graph, "GpuIndexCagra")])
def test_what_has_no_room_or_no_faiss_for_gpus_stays_in_memory(
    gpus: Gpus, monkeypatch: pytest.MonkeyPatch, make: Callable[[], faiss.Index], needed: str
) -> None:
    index, rows = make(), np.random.default_rng(0).normal(size=(400, 8)).astype(np.float32)
    index.train(rows)
    index.add(rows)
    monkeypatch.setattr(memory, "free_bytes", lambda _device: 400)
    assert on_gpu(index, [GPU]) is index
    monkeypatch.setattr(memory, "free_bytes", lambda _device: 1 << 40)
    assert on_gpu(index, [torch.device("cpu")]) is index
    assert on_gpu(index, [GPU]) is not index
    assert len(gpus.copied) == 1
    monkeypatch.delattr(faiss, needed)
    assert on_gpu(index, [GPU]) is index
