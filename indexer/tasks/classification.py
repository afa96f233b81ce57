"""Classifiers and multiple choice: one of several outputs is right, softmax over them.

Letters: B instances, S sequences, T tokens, C outputs an instance decides between, J states the head reads for an instance,
R rows of a sequence (edited copies of its read position), O outputs of the head, V vocabulary, h hidden size.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from attridex.indexer.corpus.instances import NO_LABEL, RenderedInstance
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.tasks.instance_batches import InstanceBatch
from attridex.indexer.tasks.objective import Objective, Reading
from attridex.indexer.tasks.probes import Probe, Wanted


def margins_of(logits: Float[Tensor, "*B C"]) -> Float[Tensor, "*B C"]:
    """Log-odds log p / (1 - p) of each output: exact where p rounds to 1."""
    size = logits.shape[-1]
    own = torch.eye(size, dtype=torch.bool, device=logits.device)
    others = logits[..., None, :].expand(*logits.shape, size).masked_fill(own, -torch.inf)
    return logits - others.logsumexp(-1)


def decided(
    logits: Float[Tensor, "B C"], labels: Int[Tensor, " B"], hidden: Float[Tensor, "B h"], inputs: Float[Tensor, "B J h"]
) -> Reading:
    """The reading of logits that the head gives.

    Args:
        logits: of what the instances decide between.
        labels: whose loss is taken; NO_LABEL for the predicted ones.
        hidden: states behind the decisions.
        inputs: states that the head read, J being 1 or C.
    """
    margins = margins_of(logits.float())
    predicted = logits.argmax(1)
    labels = torch.where(labels == NO_LABEL, predicted, labels)
    loss = F.softplus(-margins.gather(1, labels[:, None])[:, 0])
    # p - y, whose entry at the label is -(1 - p): taken from the margin, it keeps its digits where p is near 1.
    own = F.one_hot(labels, logits.shape[1]).bool()
    errors = torch.where(own, -(-margins).sigmoid(), margins.sigmoid()).detach().reshape(*inputs.shape[:2], -1)
    return Reading(margins.detach(), loss, labels, predicted, margins.sigmoid().detach(), hidden.float(), errors, inputs.float())


class SequenceClassification(Objective):
    """One sequence, C labels."""

    def read(self, arch: Architecture, states: Float[Tensor, "S T h"], batch: InstanceBatch) -> Reading:
        """See `Objective.read`."""
        hidden = arch.hidden_states(states, batch.tokens)
        return decided(self.logits(arch.logits(hidden)), batch.labels, hidden.detach(), hidden.detach()[:, None])

    def logits(self, given: Float[Tensor, "*B O"]) -> Float[Tensor, "*B C"]:
        """Logits of the labels: those of the head."""
        return given.float()

    def watch(self, logits: Float[Tensor, "S R O"], wanted: Wanted) -> Float[Tensor, "S R"]:
        """Probability of the probe's output, or of the label that the unedited row predicts."""
        p = self.logits(logits).softmax(-1)
        return wanted.named(p, p[:, 0].argmax(-1))

    def decide(self, logits: Float[Tensor, "S R O"], wanted: Wanted) -> Float[Tensor, "R C"]:
        """Softmax over the labels."""
        return self.logits(logits)[0].softmax(-1)


class OneLogit(SequenceClassification):
    """One sequence, one logit z that decides between two labels: softmax over (0, z)."""

    def read(self, arch: Architecture, states: Float[Tensor, "S T h"], batch: InstanceBatch) -> Reading:
        """See `Objective.read`; the head has one output, whose error is that of the second label."""
        reading = super().read(arch, states, batch)
        return reading if reading.errors is None else replace(reading, errors=reading.errors[..., 1:])

    def logits(self, given: Float[Tensor, "*B 1"]) -> Float[Tensor, "*B 2"]:
        """Logits of the two labels: 0 and z."""
        return torch.cat([torch.zeros_like(given), given], -1).float()


class MultipleChoice(Objective):
    """One sequence a choice, one logit each, softmax over the choices."""

    def read(self, arch: Architecture, states: Float[Tensor, "S T h"], batch: InstanceBatch) -> Reading:
        """See `Objective.read`."""
        hidden = arch.hidden_states(states, batch.tokens).reshape(batch.size, -1, arch.hidden)
        logits = arch.logits(hidden)[..., 0]
        chosen = hidden.detach()[torch.arange(batch.size, device=states.device), logits.argmax(1)]
        return decided(logits, batch.labels, chosen, hidden.detach())

    def probes(self, instance: RenderedInstance, predicted: int, margin: float) -> list[Probe]:
        """The predicted choice's own sequence."""
        return [replace(self.edited(instance)[predicted], margin=margin)]

    def watch(self, logits: Float[Tensor, "S R O"], wanted: Wanted) -> Float[Tensor, "S R"]:
        """Probability of the predicted choice, the other choices' logits held: sigmoid(margin + z - z of the unedited row)."""
        z = logits[..., 0].float()
        return (wanted.margin[:, None] + z - z[:, :1].detach()).sigmoid()

    def decide(self, logits: Float[Tensor, "S R O"], wanted: Wanted) -> Float[Tensor, "R C"]:
        """Softmax over the choices, every one of them edited."""
        return logits[..., 0].float().softmax(0).T
