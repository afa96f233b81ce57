"""Memory that a stretch of work takes at its peak."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from attridex.indexer.held.memory import resident


@dataclass
class Peak:
    """Bytes above what was in use when the work began."""

    bytes: int = 0


@contextmanager
def watched(device: torch.device) -> Iterator[Peak]:
    """Find the peak of a block: of the GPU's memory, or of this process's."""
    peak = Peak()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield peak
        peak.bytes = torch.cuda.max_memory_allocated(device) - before
        return
    with suppress(OSError):  # Linux: the peak counts anew from here
        Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    yield peak
    peak.bytes = max(0, resident("VmHWM") - before)
