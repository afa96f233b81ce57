"""FAISS's structures on a GPU, where FAISS is built for one: the same lists and graphs, asked there."""

import logging
from collections.abc import Sequence
from threading import Lock
from typing import Any

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from attridex.indexer.errors import first_line
from attridex.service.devices.memory import roomiest

LISTS_MOST, GRAPH_MOST = 2048, 512
"""Rows that FAISS gives for a question on a GPU at most; it refuses to give more."""
SPARE = 1.5
"""What a structure takes on a GPU, of what it takes in memory, at most."""
WORK = 1 << 26
"""Memory that FAISS keeps for the work of a structure's searches on a GPU; it would take 1.5 GiB."""
log = logging.getLogger("attridex.service")


class GpuStructure:
    """A structure on a GPU, asked like that of FAISS that it was made of.

    Attributes:
        ntotal: rows.
    """

    def __init__(self, index: Any, number: int) -> None:
        """Copy it to the GPU of a number; questions that the copy does not take are asked of `index`."""
        self._index, self._turn = index, Lock()
        self._resources = faiss.StandardGpuResources()  # one search at a time may use it
        self._resources.setTempMemory(WORK)
        there: Any = faiss.index_cpu_to_gpu(self._resources, number, index)
        self._lists = isinstance(index, faiss.IndexIVF)
        self._most = LISTS_MOST if self._lists else GRAPH_MOST
        if self._lists:
            there.nprobe = index.nprobe
        self._there = there
        self.ntotal = int(index.ntotal)

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Products and numbers of the k nearest rows of each query [q, d]; see FAISS."""
        found: tuple[NDArray[np.float32], NDArray[np.int64]]
        if k > self._most:
            found = self._index.search(queries, k)
        else:
            with self._turn:
                found = self._there.search(queries, k, params=None if self._lists else walk(k))
        return found


def walk(k: int) -> Any:
    """How a graph is walked for k rows: FAISS keeps as many on its way, in steps of 32."""
    return faiss.SearchParametersCagra(itopk_size=max(64, -(-k // 32) * 32))  # type: ignore[attr-defined]  # not in the stubs


def on_gpu(index: Any, devices: Sequence[torch.device]) -> Any:
    """Lists, or a graph, on the GPU with the most room.

    Other structures, and those that find no room or no FAISS for them, are given as they are.
    """
    lists = isinstance(index, faiss.IndexIVF) and hasattr(faiss, "StandardGpuResources")
    graph = hasattr(faiss, "GpuIndexCagra") and isinstance(index, faiss.IndexHNSWCagra)  # type: ignore[attr-defined]  # not in the stubs
    if not lists and not graph:
        return index
    device, free = roomiest(devices)
    row = index.code_size if lists else 4 * index.d + 4 * index.hnsw.nb_neighbors(0)
    if device.type != "cuda" or free < WORK + SPARE * index.ntotal * row:
        return index
    try:
        return GpuStructure(index, device.index or 0)
    except (RuntimeError, MemoryError) as error:  # FAISS's kernels have limits of their own, which depend on how it was built
        log.warning("a structure is asked in memory, not on the GPU (%s)", first_line(error))
        return index
