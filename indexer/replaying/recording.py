"""Work of a GPU recorded once and launched as a whole: a CUDA graph."""

import logging
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

import torch

from attridex.indexer.errors import first_line
from attridex.indexer.replaying.fusing import fusing

T = TypeVar("T")
WARM = 3
"""Runs before a recording: libraries choose their kernels and take their memory in the first ones."""
log = logging.getLogger("attridex.indexer")
_turn = Lock()
"""Held by who records: a recording anywhere in the process forbids others what the beginning of one does."""


@runtime_checkable
class Recorder(Protocol):
    """Records work on tensors that stay where they are."""

    def __call__(self, work: Callable[[], T]) -> tuple[Callable[[], None], T]:
        """What runs the work again, from what stands in its tensors then, and what it gives, which is written over each time.

        It raises whatever it meets where the work cannot be recorded: it looks at values, or there is too little memory.
        """


class CudaGraphs:
    """Records CUDA graphs, all in one pool of memory: only the latest one's results are whole."""

    def __init__(self, device: torch.device, *, compiled: bool = True) -> None:
        """Record on a GPU.

        Args:
            device: the GPU.
            compiled: whether what is `Fused` is compiled, for which nobody may wait: it takes many seconds.
        """
        self._device, self._compiled = device, compiled
        self._memory = torch.cuda.MemPool()  # held here, so that it outlives its recordings

    def __call__(self, work: Callable[[], T]) -> tuple[Callable[[], None], T]:
        """See `Recorder`; other threads may use the GPU meanwhile."""
        with _turn, torch.cuda.device(self._device):
            if self._compiled:
                try:
                    with fusing():
                        return self._recorded(work)
                except Exception as error:  # of the compiler, of CUDA, or of the model's own code: whatever they raise
                    log.debug("a pass is recorded without a compiler (%s)", first_line(error))
            return self._recorded(work)

    def _recorded(self, work: Callable[[], T]) -> tuple[Callable[[], None], T]:
        here = torch.cuda.current_stream()
        try:
            return self._recorded_from(here, work)
        except Exception:
            self._abandon(here)
            raise

    def _recorded_from(self, here: torch.cuda.Stream, work: Callable[[], T]) -> tuple[Callable[[], None], T]:
        side = torch.cuda.Stream()
        side.wait_stream(here)
        with torch.cuda.stream(side):
            for _ in range(WARM):
                work()
        here.wait_stream(side)
        graph, pool = torch.cuda.CUDAGraph(), cast("Any", self._memory.id)
        with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            found = work()
        return graph.replay, found

    def _abandon(self, here: torch.cuda.Stream) -> None:
        """Leave a recording that failed: torch (2.11, at least) stays on its stream, and goes on to give memory of its pool."""
        torch.cuda.set_stream(here)
        index = torch.cuda.current_device()
        with suppress(RuntimeError, AttributeError):
            torch._C._cuda_endAllocateToPool(index, self._memory.id)
            torch._C._cuda_releasePool(index, self._memory.id)
        self._memory = torch.cuda.MemPool()
