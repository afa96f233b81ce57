"""A task's way from a model's states to a decision, what it reads, and what is watched when neurons are edited.

Letters: B instances, S sequences, T tokens, C outputs an instance decides between, J states the head reads for an instance,
R rows of a sequence (edited copies of its read position), O outputs of the head, V vocabulary, h hidden size.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.models.batches import TokenBatch, pad
from attridex.indexer.tasks.instance_batches import InstanceBatch

NO_TOKEN = -1
"""A probe that watches no vocabulary token."""


@dataclass(frozen=True)
class Reading:
    """What a task reads in one forward pass. float32.

    Attributes:
        margins: log-odds of each output, log p / (1 - p); for causal-lm (C = 1) of exp(-loss).
        loss: cross-entropy of the label (mean over target tokens), differentiable.
        labels: output whose loss it is; NO_LABEL for causal-lm.
        predicted: most probable output; NO_LABEL for causal-lm.
        probabilities: of the outputs; for causal-lm (C = 1) the mean probability of the target tokens.
        hidden: state behind the decision: of the predicted choice, or the mean over target positions.
        errors: gradient of the loss in the head's outputs; None for causal-lm.
        inputs: states that the head reads; None for causal-lm.
        greedy: for causal-lm the most probable token at each target position, one list an instance.
    """

    margins: Float[Tensor, "B C"]
    loss: Float[Tensor, " B"]
    labels: Int[Tensor, " B"]
    predicted: Int[Tensor, " B"]
    probabilities: Float[Tensor, "B C"]
    hidden: Float[Tensor, "B h"]
    errors: Float[Tensor, "B J O"] | None = None
    inputs: Float[Tensor, "B J h"] | None = None
    greedy: list[list[int]] | None = None


@dataclass(frozen=True)
class Probe:
    """A sequence whose read position is edited, and what is watched there.

    Attributes:
        sequence: token ids; the last one (CLS for encoders) is the read position.
        token: vocabulary token whose probability is watched, or NO_TOKEN.
        margin: log-odds of the predicted choice, the other choices held; 0 elsewhere.
        types: token types; empty where the tokenizer gives none.
        extent: tokens of the whole text that the sequence begins; None where it is the whole text.
    """

    sequence: tuple[int, ...]
    token: int = NO_TOKEN
    margin: float = 0.0
    types: tuple[int, ...] = ()
    extent: int | None = None


def pad_probes(probes: Sequence[Probe], pad_token: int, device: torch.device) -> TokenBatch:
    """Put the sequences of probes into one batch."""
    batch = pad([probe.sequence for probe in probes], pad_token, device, [probe.types for probe in probes if probe.types])
    extents = [len(probe.sequence) if probe.extent is None else probe.extent for probe in probes]
    return replace(batch, extents=torch.tensor(extents, device=device))


def first_types(instance: RenderedInstance) -> tuple[int, ...]:
    """Token types of an instance's first sequence, if it has any."""
    return instance.types[0] if instance.types else ()


@runtime_checkable
class Objective(Protocol):
    """A task's way from a model's states to a decision."""

    def read(self, arch: Architecture, states: Float[Tensor, "S T h"], batch: InstanceBatch) -> Reading:
        """Read the body's final states."""

    def probes(self, instance: RenderedInstance, predicted: int, margin: float) -> list[Probe]:
        """Sequences whose neurons are scored; scores are averaged over them. `margin` is that of the predicted output."""
        return self.edited(instance)

    def watch(self, logits: Float[Tensor, "S R O"], probes: Sequence[Probe]) -> Float[Tensor, "S R"]:
        """P(target) from the logits at the read positions of probes; row 0 is unedited."""

    def decide(self, logits: Float[Tensor, "S R O"], probes: Sequence[Probe]) -> Float[Tensor, "R C"]:
        """Output probabilities of one instance from the logits of its edited sequences."""

    def edited(self, instance: RenderedInstance) -> list[Probe]:
        """Sequences that an ablation edits."""
