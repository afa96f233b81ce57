"""Memory that a stretch of work takes at its peak."""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch

STATUS = Path("/proc/self/status")


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


def resident(name: str) -> int:
    """Bytes of this process in memory: VmRSS now, VmHWM at the peak (which is all there is without Linux's /proc)."""
    with suppress(OSError):
        lines = (line.split() for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
        return next(int(line[1]) << 10 for line in lines)
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else size << 10
