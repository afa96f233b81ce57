"""What is edited when neurons are scored or suppressed, and what is watched meanwhile.

Letters: S sequences, R rows of a sequence (edited copies of its read position), O outputs of the head.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attridex.indexer.models.batches import TokenBatch, pad, placed

NO_TOKEN = -1
"""A probe that watches no vocabulary token."""
NO_OUTPUT = -1
"""A probe that watches the output that the task takes by itself."""


@dataclass(frozen=True)
class Probe:
    """A sequence whose read position is edited, and what is watched there.

    Attributes:
        sequence: token ids.
        token: vocabulary token whose probability is watched, or NO_TOKEN.
        margin: log-odds of the predicted choice, the other choices held; 0 elsewhere.
        types: token types; empty where the tokenizer gives none.
        output: the output that is watched, or NO_OUTPUT.
        read: the position that is read and edited; that of the head (the last token, CLS for encoders) where None.
        source: of an encoder-decoder model, what its encoder reads.
        extent: tokens of the whole text that the sequence begins; None where it is the whole text.
    """

    sequence: tuple[int, ...]
    token: int = NO_TOKEN
    margin: float = 0.0
    types: tuple[int, ...] = ()
    output: int = NO_OUTPUT
    read: int | None = None
    extent: int | None = None
    source: tuple[int, ...] = ()


class Wanted(NamedTuple):
    """What is watched of probes; see `Probe`."""

    token: Int[Tensor, " S"]
    output: Int[Tensor, " S"]
    margin: Float[Tensor, " S"]

    @classmethod
    def of(cls, probes: Sequence[Probe], device: torch.device) -> "Wanted":
        """What probes watch, on a device."""
        columns = [[getattr(probe, name) for probe in probes] for name in cls._fields]
        return cls(*(placed(torch.tensor(column), device) for column in columns))

    @classmethod
    def of_tokens(cls, tokens: Int[Tensor, " S"]) -> "Wanted":
        """Probes that watch a vocabulary token each."""
        return cls(tokens, torch.full_like(tokens, NO_OUTPUT), torch.zeros_like(tokens, dtype=torch.float32))

    def named(self, values: Float[Tensor, "S R O"], chosen: Int[Tensor, " S"]) -> Float[Tensor, "S R"]:
        """Each probe's output among values; where it names none, the `chosen` one."""
        target = torch.where(self.output == NO_OUTPUT, chosen, self.output)
        return values.gather(2, target[:, None, None].expand(-1, values.shape[1], 1))[..., 0]


class ProbeBatch(NamedTuple):
    """Probes of a pass: their sequences, and what is watched."""

    tokens: TokenBatch
    wanted: Wanted


def pad_probes(probes: Sequence[Probe], pad_token: int, device: torch.device) -> ProbeBatch:
    """Put probes into one batch."""
    batch = pad([probe.sequence for probe in probes], pad_token, device, [probe.types for probe in probes if probe.types])
    extents = [len(probe.sequence) if probe.extent is None else probe.extent for probe in probes]
    own = [probe.read for probe in probes if probe.read is not None]
    reads = placed(torch.tensor(own), device) if own else None
    sources = [probe.source for probe in probes if probe.source]
    source = pad(sources, pad_token, device) if sources else None
    tokens = replace(batch, extents=placed(torch.tensor(extents), device), own_reads=reads, source=source)
    return ProbeBatch(tokens, Wanted.of(probes, device))
