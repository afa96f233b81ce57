"""FAISS as it is where it is built for GPUs with cuVS, as far as attridex calls it; its work is done by FAISS's code for CPUs."""

from types import SimpleNamespace
from typing import Any

import faiss
import numpy as np
import pytest


class Resources:
    """What FAISS keeps for its work."""

    def setTempMemory(self, size: int) -> None:  # noqa: N802 - as FAISS calls it
        """How much."""


class OnGpu:
    """An index on a GPU: it gives a bounded number of rows, and what it is asked with is noted."""

    most = 100

    def __init__(self, index: Any) -> None:
        """Of an index in memory."""
        self.index, self.asked = index, list[tuple[int, Any]]()
        self.nprobe = 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["index"], name)

    def search(self, queries: Any, k: int, *, params: Any = None) -> Any:
        """As FAISS does."""
        assert k <= self.most
        self.asked.append((k, params))
        if isinstance(self.index, faiss.IndexIVF):
            self.index.nprobe = self.nprobe
        return self.index.search(queries, k)


class Cagra(OnGpu):
    """A graph, which is made of all of its rows at once."""

    def __init__(self, _resources: Any, dim: int, metric: int, config: SimpleNamespace) -> None:
        """An empty one."""
        super().__init__(faiss.IndexHNSWCagra(dim, config.graph_degree // 2, metric))

    def train(self, rows: Any) -> None:
        """Make it."""
        self.index.train(rows)
        self.index.add(rows)


class Gpus:
    """The GPUs that FAISS sees.

    Attributes:
        copied: numbers of GPUs, and what was copied to them.
        full: whether they have no room.
    """

    def __init__(self) -> None:
        """Two, with room."""
        self.copied: list[tuple[int, OnGpu]] = []
        self.full = False

    def copy(self, _resources: Any, number: int, index: Any) -> OnGpu:
        """To one of them."""
        if self.full:
            raise RuntimeError("Error: 'err == cudaSuccess' failed: out of memory\nmore")
        self.copied.append((number, OnGpu(copied(index))))
        return self.copied[-1][1]


def copied(index: Any) -> Any:
    """A copy; FAISS's own makes another kind of a graph."""
    return faiss.deserialize_index(faiss.serialize_index(index))


def built_for_gpus(monkeypatch: pytest.MonkeyPatch, *, cuvs: bool = True) -> Gpus:
    """Let FAISS be built for GPUs."""
    gpus = Gpus()
    there = {
        "StandardGpuResources": Resources,
        "get_num_gpus": lambda: 2,
        "index_cpu_to_gpu": gpus.copy,
        "index_gpu_to_cpu": lambda index: copied(index.index),
    }
    if cuvs:
        there |= {
            "GpuIndexCagra": Cagra, "GpuIndexCagraConfig": SimpleNamespace, "SearchParametersCagra": SimpleNamespace
        }  # fmt: skip
    for name, stand_in in there.items():
        monkeypatch.setattr(faiss, name, stand_in, raising=False)
    return gpus


def clustered(rows: int, dim: int = 24, clusters: int = 12, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Unit rows [rows, dim] in clusters."""
    numbers = np.random.default_rng(seed)
    made = numbers.normal(size=(clusters, dim))[numbers.integers(clusters, size=rows)] + 0.3 * numbers.normal(size=(rows, dim))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
