"""What each task decides: logits, loss and the probability that neuron scores explain.

Letters: B instances, S sequences, T tokens, C outputs an instance decides between, J states the head reads for an instance,
R rows of a sequence (edited copies of its read position), O outputs of the head, V vocabulary, h hidden size.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from attridex.indexer.config import Task
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.models.batches import TokenBatch, pad
from attridex.indexer.models.token_loss import token_losses

NO_LABEL = -1
"""Stands for "the predicted one" in a tensor of labels."""
NO_TOKEN = -1
"""A probe that watches no vocabulary token."""


@dataclass(frozen=True)
class TokenTargets:
    """The tokens of a batch that have a loss, instance after instance.

    Attributes:
        owner: instance of each.
        at: position that decides it.
        wanted: what is wanted there.
        counts: how many each instance has.
    """

    owner: Int[Tensor, " N"]
    at: Int[Tensor, " N"]
    wanted: Int[Tensor, " N"]
    counts: Int[Tensor, " B"]

    def mean(self, values: Float[Tensor, "N ..."]) -> Float[Tensor, "B ..."]:
        """Values of the tokens, averaged over those of each instance."""
        total = torch.zeros(len(self.counts), *values.shape[1:], device=values.device, dtype=values.dtype)
        return total.index_add(0, self.owner, values) / self.counts.reshape(-1, *[1] * (values.dim() - 1))


def token_targets(instances: Sequence[RenderedInstance], device: torch.device) -> TokenTargets:
    """The tokens with a loss of instances with one sequence each."""
    counts = torch.tensor([len(instance.reads) for instance in instances])
    at = torch.tensor([read for instance in instances for read in instance.reads], dtype=torch.long)
    wanted = torch.tensor([token for instance in instances for token in instance.wanted], dtype=torch.long)
    owner = torch.arange(len(instances)).repeat_interleave(counts)
    return TokenTargets(owner.to(device), at.to(device), wanted.to(device), counts.to(device))


@dataclass(frozen=True)
class InstanceBatch:
    """Instances with the same number of sequences.

    Attributes:
        tokens: all sequences; those of an instance follow each other.
        size: number of instances B.
        labels: output index, or NO_LABEL for the predicted one.
        targets: of a language model.
    """

    tokens: TokenBatch
    size: int
    labels: Int[Tensor, " B"]
    targets: TokenTargets


def collate(
    instances: Sequence[RenderedInstance], pad_token: int, device: torch.device, *, predicted: bool = False
) -> InstanceBatch:
    """Put instances into one batch.

    Args:
        instances: alike in their number of sequences.
        pad_token: fills the sequences up.
        device: where the batch goes.
        predicted: asks for the loss of the predicted label.
    """
    sequences = [sequence for instance in instances for sequence in instance.sequences]
    types = [own for instance in instances for own in instance.types]
    tokens = pad(sequences, pad_token, device, types)
    labels = [NO_LABEL if predicted or instance.label is None else instance.label for instance in instances]
    targets = token_targets(instances, device)
    return InstanceBatch(tokens, len(instances), torch.tensor(labels, device=device), targets)


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
    """

    sequence: tuple[int, ...]
    token: int = NO_TOKEN
    margin: float = 0.0
    types: tuple[int, ...] = ()


def pad_probes(probes: Sequence[Probe], pad_token: int, device: torch.device) -> TokenBatch:
    """Put the sequences of probes into one batch."""
    return pad([probe.sequence for probe in probes], pad_token, device, [probe.types for probe in probes if probe.types])


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
        hidden = arch.hidden_states(states, batch.tokens.read(arch.causal))
        return decided(arch.head(hidden), batch.labels, hidden.detach(), hidden.detach()[:, None])

    def watch(self, logits: Float[Tensor, "S R O"], probes: Sequence[Probe]) -> Float[Tensor, "S R"]:
        """Probability of the label that the unedited row predicts."""
        p = logits.float().softmax(-1)
        target = p[:, 0].argmax(-1)
        return p.gather(2, target[:, None, None].expand(-1, p.shape[1], 1))[..., 0]

    def decide(self, logits: Float[Tensor, "S R O"], probes: Sequence[Probe]) -> Float[Tensor, "R C"]:
        """Softmax over the labels."""
        return logits[0].float().softmax(-1)

    def edited(self, instance: RenderedInstance) -> list[Probe]:
        """The sequence itself."""
        return [Probe(instance.sequences[0], types=first_types(instance))]


class MultipleChoice(Objective):
    """One sequence a choice, one logit each, softmax over the choices."""

    def read(self, arch: Architecture, states: Float[Tensor, "S T h"], batch: InstanceBatch) -> Reading:
        """See `Objective.read`."""
        hidden = arch.hidden_states(states, batch.tokens.read(arch.causal)).reshape(batch.size, -1, states.shape[-1])
        logits = arch.head(hidden)[..., 0]
        chosen = hidden.detach()[torch.arange(batch.size, device=states.device), logits.argmax(1)]
        return decided(logits, batch.labels, chosen, hidden.detach())

    def probes(self, instance: RenderedInstance, predicted: int, margin: float) -> list[Probe]:
        """The predicted choice's own sequence."""
        return [replace(self.edited(instance)[predicted], margin=margin)]

    def watch(self, logits: Float[Tensor, "S R O"], probes: Sequence[Probe]) -> Float[Tensor, "S R"]:
        """Probability of the predicted choice, the other choices' logits held: sigmoid(margin + z - z of the unedited row)."""
        z = logits[..., 0].float()
        margins = torch.tensor([probe.margin for probe in probes], device=z.device)
        return (margins[:, None] + z - z[:, :1].detach()).sigmoid()

    def decide(self, logits: Float[Tensor, "S R O"], probes: Sequence[Probe]) -> Float[Tensor, "R C"]:
        """Softmax over the choices, every one of them edited."""
        return logits[..., 0].float().softmax(0).T

    def edited(self, instance: RenderedInstance) -> list[Probe]:
        """Every choice's sequence, each at its own last position."""
        types = instance.types or [()] * len(instance.sequences)
        return [Probe(sequence, types=own) for sequence, own in zip(instance.sequences, types, strict=True)]


class CausalLM(Objective):
    """A prompt and target tokens; each is read at the position before it."""

    def read(self, arch: Architecture, states: Float[Tensor, "S T h"], batch: InstanceBatch) -> Reading:
        """See `Objective.read`."""
        targets = batch.targets
        hidden = states[targets.owner, targets.at]
        cost, best = token_losses(arch.head, hidden, targets.wanted)
        loss = targets.mean(cost)
        fixed = loss.detach()
        margins = -fixed - torch.log(-torch.expm1(-fixed))
        none = torch.full_like(targets.counts, NO_LABEL)
        greedy = [part.tolist() for part in best.split(targets.counts.tolist())]
        probability = targets.mean((-cost.detach()).exp())
        state = targets.mean(hidden.detach().float())
        return Reading(margins[:, None], loss, none, none, probability[:, None], state, greedy=greedy)

    def watch(self, logits: Float[Tensor, "S R O"], probes: Sequence[Probe]) -> Float[Tensor, "S R"]:
        """Probability of each probe's token."""
        tokens = torch.tensor([probe.token for probe in probes], device=logits.device)
        z = logits.float()
        return (z.gather(2, tokens[:, None, None].expand(-1, z.shape[1], 1))[..., 0] - z.logsumexp(-1)).exp()

    def decide(self, logits: Float[Tensor, "S R O"], probes: Sequence[Probe]) -> Float[Tensor, "R C"]:
        """Mean probability of the target tokens (C = 1)."""
        return self.watch(logits, probes).mean(0)[:, None]

    def edited(self, instance: RenderedInstance) -> list[Probe]:
        """The sequence up to each position that decides a token."""
        ids, tokens = instance.sequences[0], zip(instance.reads, instance.wanted, strict=True)
        return [Probe(ids[: read + 1], wanted, types=first_types(instance)[: read + 1]) for read, wanted in tokens]


OBJECTIVES: dict[Task, Objective] = {
    "sequence-classification": SequenceClassification(),
    "multiple-choice": MultipleChoice(),
    "causal-lm": CausalLM(),
}
