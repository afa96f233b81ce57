"""Regression and multi-label: every output has a goal of its own.

Letters: B instances, S sequences, T tokens, O outputs, R rows of a sequence (edited copies of its read position), h hidden size.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from attridex.indexer.corpus.goals import shown_labels, shown_numbers
from attridex.indexer.corpus.instances import NO_LABEL
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.tasks.instance_batches import InstanceBatch
from attridex.indexer.tasks.objective import Objective, Reading
from attridex.indexer.tasks.probes import Wanted

HOLDS = 0.5
"""A label is predicted where its probability is above this."""


def goals_or(batch: InstanceBatch, predicted: Float[Tensor, "B O"]) -> Float[Tensor, "B O"]:
    """The goals of a batch, or what is predicted where an instance has none."""
    if not batch.goals.shape[1]:
        return predicted
    return torch.where(batch.goals.isnan(), predicted, batch.goals)


class Regression(Objective):
    """One sequence, whose outputs are numbers; squared error, mean over the outputs."""

    def read(self, arch: Architecture, states: Float[Tensor, "S T h"], batch: InstanceBatch) -> Reading:
        """See `Objective.read`."""
        hidden = arch.hidden_states(states, batch.tokens)
        z = arch.logits(hidden).float()
        goals = goals_or(batch, z.detach())
        return reading_of(z, (z - goals).square().mean(1), 2 * (z - goals) / z.shape[1], hidden, goals)

    def watch(self, logits: Float[Tensor, "S R O"], wanted: Wanted) -> Float[Tensor, "S R"]:
        """The probe's output, or the first."""
        return wanted.named(logits.float(), torch.zeros(len(logits), dtype=torch.long, device=logits.device))

    def decide(self, logits: Float[Tensor, "S R O"], wanted: Wanted) -> Float[Tensor, "R O"]:
        """The numbers themselves."""
        return logits[0].float()

    def answer(self, reading: Reading, row: int, outputs: Sequence[str]) -> str | None:
        """The numbers."""
        return shown_numbers(rounded(reading.probabilities[row]), outputs)

    def answers(self, logits: Float[Tensor, "S R O"], wanted: Wanted, outputs: Sequence[str]) -> list[str]:
        """The numbers of each row."""
        return [shown_numbers(rounded(row), outputs) for row in self.decide(logits, wanted)]


class MultiLabel(Regression):
    """One sequence, each of whose labels holds or does not; binary cross-entropy, mean over the labels."""

    def read(self, arch: Architecture, states: Float[Tensor, "S T h"], batch: InstanceBatch) -> Reading:
        """See `Objective.read`."""
        hidden = arch.hidden_states(states, batch.tokens)
        z = arch.logits(hidden).float()
        goals = goals_or(batch, (z.detach() > 0).float())
        loss = F.binary_cross_entropy_with_logits(z, goals, reduction="none").mean(1)
        # p - y as (1 - y) p - y (1 - p), which keeps its digits where p is near y.
        errors = ((1 - goals) * z.sigmoid() - goals * (-z).sigmoid()) / z.shape[1]
        reading = reading_of(z, loss, errors, hidden, goals)
        return replace(reading, margins=z.detach(), predicted=z.argmax(1), probabilities=z.sigmoid().detach())

    def watch(self, logits: Float[Tensor, "S R O"], wanted: Wanted) -> Float[Tensor, "S R"]:
        """Probability of the probe's label, or of the one that is most probable in the unedited row."""
        return wanted.named(logits.float().sigmoid(), logits[:, 0].argmax(-1))

    def decide(self, logits: Float[Tensor, "S R O"], wanted: Wanted) -> Float[Tensor, "R O"]:
        """Probability of each label."""
        return logits[0].float().sigmoid()

    def answer(self, reading: Reading, row: int, outputs: Sequence[str]) -> str | None:
        """The labels that hold."""
        return held(reading.probabilities[row], outputs)

    def answers(self, logits: Float[Tensor, "S R O"], wanted: Wanted, outputs: Sequence[str]) -> list[str]:
        """The labels that hold for each row."""
        return [held(row, outputs) for row in self.decide(logits, wanted)]

    def settled(self, batch: InstanceBatch, reading: Reading) -> InstanceBatch:
        """See `Objective.settled`."""
        return batch if reading.goals is None else replace(batch, goals=reading.goals)


def reading_of(
    z: Float[Tensor, "B O"],
    loss: Float[Tensor, " B"],
    errors: Float[Tensor, "B O"],
    hidden: Float[Tensor, "B h"],
    goals: Float[Tensor, "B O"],
) -> Reading:
    """The reading of a head whose outputs have goals.

    Args:
        z: its outputs.
        loss: of the goals.
        errors: its gradient in the outputs.
        hidden: states that the head reads.
        goals: what is wanted.
    """
    none = torch.full((len(z),), NO_LABEL, device=z.device)
    state, said = hidden.detach().float(), z.detach()
    return Reading(
        torch.zeros_like(said), loss, none, torch.zeros_like(none), said, state, errors.detach()[:, None], state[:, None],
        goals=goals,
    )  # fmt: skip


def rounded(numbers: Float[Tensor, " O"]) -> list[float]:
    """Numbers with the digits that float32 has for sure."""
    return [float(f"{number:.6g}") for number in numbers.tolist()]


def held(probabilities: Float[Tensor, " O"], outputs: Sequence[str]) -> str:
    """The labels that hold, as tables show them."""
    return shown_labels([float(p > HOLDS) for p in probabilities.tolist()], outputs)
