"""Work of a GPU recorded once and launched as a whole: a CUDA graph."""

from collections.abc import Callable
from typing import Protocol, TypeVar, runtime_checkable

import torch

from attridex.indexer.replaying.fusing import fusing

T = TypeVar("T")
WARM = 3
"""Runs before a recording: libraries choose their kernels and take their memory in the first ones."""


@runtime_checkable
class Recorder(Protocol):
    """Records work on tensors that stay where they are."""

    def __call__(self, work: Callable[[], T]) -> tuple[Callable[[], None], T]:
        """What runs the work again, from what stands in its tensors then, and what it gives, which is written over each time.

        It raises whatever it meets where the work cannot be recorded: it looks at values, or there is too little memory.
        """


class CudaGraphs:
    """Records CUDA graphs, all in one pool of memory: only the latest one's results are whole."""

    def __init__(self, device: torch.device) -> None:
        """`device` is the GPU."""
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, work: Callable[[], T]) -> tuple[Callable[[], None], T]:
        """See `Recorder`; other threads may use the GPU meanwhile."""
        with torch.cuda.device(self._device), fusing():
            here, side = torch.cuda.current_stream(), torch.cuda.Stream()
            side.wait_stream(here)
            with torch.cuda.stream(side):
                for _ in range(WARM):
                    work()
            here.wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                found = work()
        return graph.replay, found
