"""FAISS's inverted lists on a GPU, where FAISS is built for one: the same lists, the same number of them read by a question."""

from collections.abc import Sequence
from contextlib import nullcontext
from threading import Lock
from typing import Any

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from attridex.service.devices.memory import free_bytes

MOST = 2048
"""Rows that FAISS gives for a question on a GPU at most; it refuses to give more."""
SPARE = 1.5
"""What lists take on a GPU, of what they take in memory, at most."""


class GpuLists:
    """Lists on a GPU, asked like those of FAISS that they were made of.

    Attributes:
        ntotal: rows.
    """

    def __init__(self, lists: Any, number: int) -> None:
        """Copy them to the GPU of a number; questions that it does not take are asked of `lists`."""
        self._lists, self._turn = lists, Lock()
        self._resources = faiss.StandardGpuResources()  # one search at a time may use it
        there: Any = faiss.index_cpu_to_gpu(self._resources, number, lists)
        there.nprobe = lists.nprobe
        self._there = there
        self.ntotal = int(lists.ntotal)

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Products and numbers of the k nearest rows of each query [q, d]; see FAISS."""
        with self._turn if k <= MOST else nullcontext():
            found: tuple[NDArray[np.float32], NDArray[np.int64]] = (self._there if k <= MOST else self._lists).search(queries, k)
        return found


def on_gpu(index: Any, devices: Sequence[torch.device]) -> Any:
    """Lists on the GPU with the most room; other structures, and lists that find no room or no FAISS for GPUs, as they are."""
    if not isinstance(index, faiss.IndexIVF) or not hasattr(faiss, "StandardGpuResources"):
        return index
    device = max(devices, key=free_bytes)
    if device.type != "cuda" or free_bytes(device) < SPARE * index.ntotal * index.code_size:
        return index
    return GpuLists(index, device.index or 0)
