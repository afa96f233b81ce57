"""Memory that a stretch of work takes at its peak, and what fits into it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.held.memory import available, resident
from attridex.indexer.signing.signer import Signer

LEAST, MOST = 64, {"cpu": 4096, "cuda": 32_768}
"""Tokens of a batch by free memory: a CPU is no faster with more."""
TRIED = 512
"""Tokens of the pass that tells what a token takes."""


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


def fitting_tokens(signer: Signer, sample: Sequence[RenderedInstance]) -> int:
    """Tokens of a batch whose pass takes half of the free memory, as a pass over a text of middling length tells.

    Args:
        signer: of the index.
        sample: instances, at least one.
    """
    typical = sorted(sample, key=lambda instance: instance.longest)[len(sample) // 2]
    copies = max(1, TRIED // typical.tokens)
    list(signer.gradient_batches([typical]))  # pays for what is made once
    with watched(signer.loaded.device) as peak:
        list(signer.gradient_batches([typical] * copies))
    fitting = free_bytes(signer.loaded.device) * copies * typical.tokens // (2 * max(1, peak.bytes))
    return max(LEAST, min(fitting, MOST[signer.loaded.device.type]))


def free_bytes(device: torch.device) -> int:
    """Memory that is free: the GPU's, or this machine's."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available()
