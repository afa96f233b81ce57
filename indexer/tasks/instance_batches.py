"""Instances as one batch: their sequences, their labels, and the tokens that have a loss.

Letters: B instances, S sequences, N tokens with a loss.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attridex.indexer.corpus.instances import NO_LABEL, RenderedInstance
from attridex.indexer.models.batches import TokenBatch, pad, placed


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

    def rows(self, values: Float[Tensor, "N ..."]) -> Float[Tensor, "B J ..."]:
        """Values of the tokens, a row an instance, filled up with zeros."""
        place = torch.arange(len(self.owner), device=self.owner.device) - (self.counts.cumsum(0) - self.counts)[self.owner]
        table = values.new_zeros(len(self.counts), int(self.counts.max()), *values.shape[1:])
        table[self.owner, place] = values
        return table

    def mean(self, values: Float[Tensor, "N ..."]) -> Float[Tensor, "B ..."]:
        """Values of the tokens, averaged over those of each instance."""
        total = torch.zeros(len(self.counts), *values.shape[1:], device=values.device, dtype=values.dtype)
        return total.index_add(0, self.owner, values) / self.counts.reshape(-1, *[1] * (values.dim() - 1))


def token_targets(instances: Sequence[RenderedInstance], device: torch.device, *, predicted: bool) -> TokenTargets:
    """The tokens with a loss of instances with one sequence each; `predicted` asks for the loss of predicted labels."""
    counts = torch.tensor([len(instance.reads) for instance in instances])
    at = torch.tensor([read for instance in instances for read in instance.reads], dtype=torch.long)
    wanted = torch.tensor([token for instance in instances for token in instance.wanted], dtype=torch.long)
    if predicted and any(instance.answer is not None for instance in instances):  # labels, not a language model's target
        wanted = torch.full_like(wanted, NO_LABEL)
    owner = torch.arange(len(instances)).repeat_interleave(counts)
    return TokenTargets(*(placed(each, device) for each in (owner, at, wanted, counts)))


@dataclass(frozen=True)
class InstanceBatch:
    """Instances with the same number of sequences.

    Attributes:
        tokens: all sequences; those of an instance follow each other.
        size: number of instances B.
        labels: output index, or NO_LABEL for the predicted one.
        targets: of a language model.
        goals: what is wanted of every output (O is 0 where the task has none); NaN for the predicted.
    """

    tokens: TokenBatch
    size: int
    labels: Int[Tensor, " B"]
    targets: TokenTargets
    goals: Float[Tensor, "B O"]


def single_instances(batch: InstanceBatch) -> list[InstanceBatch]:
    """Each instance of a batch as a batch of its own."""
    copies, found = len(batch.tokens.ids) // batch.size, []
    for number in range(batch.size):
        own, targets = batch.targets.owner == number, batch.targets
        mine = TokenTargets(targets.owner[own] * 0, targets.at[own], targets.wanted[own], targets.counts[number : number + 1])
        tokens = batch.tokens.rows(slice(number * copies, (number + 1) * copies))
        found.append(InstanceBatch(tokens, 1, batch.labels[number : number + 1], mine, batch.goals[number : number + 1]))
    return found


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
    if any(instance.source for instance in instances):
        tokens = replace(tokens, source=pad([instance.source for instance in instances], pad_token, device))
    labels = [NO_LABEL if predicted or instance.label is None else instance.label for instance in instances]
    targets = token_targets(instances, device, predicted=predicted)
    goals = placed(goals_of([() if predicted else instance.goals for instance in instances]), device)
    return InstanceBatch(tokens, len(instances), placed(torch.tensor(labels), device), targets, goals)


def goals_of(goals: Sequence[Sequence[float]]) -> Float[Tensor, "B O"]:
    """Goals of instances; NaN where one has none."""
    width = max(map(len, goals), default=0)
    return torch.tensor([tuple(own) or (math.nan,) * width for own in goals]).reshape(len(goals), width).float()
