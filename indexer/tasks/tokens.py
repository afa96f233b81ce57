"""Token classification: a label for each of some tokens, each read at its own position.

Letters: B instances, S sequences, T tokens, C labels, R rows of a sequence (edited copies of its read position), h hidden size.
"""

import json
from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from attridex.indexer.corpus.instances import NO_LABEL, RenderedInstance
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.tasks.classification import margins_of
from attridex.indexer.tasks.instance_batches import InstanceBatch
from attridex.indexer.tasks.objective import Objective, Reading, first_types
from attridex.indexer.tasks.probes import Probe, Wanted


class TokenClassification(Objective):
    """One sequence, some of whose tokens have a label; cross-entropy, mean over them."""

    bound = "an instance has as many decisions as tokens with a label"

    def read(self, arch: Architecture, states: Float[Tensor, "S T h"], batch: InstanceBatch) -> Reading:
        """See `Objective.read`."""
        targets = batch.targets
        hidden = arch.head_input(states[targets.owner, targets.at])
        margins = margins_of(arch.logits(hidden).float())
        said = margins.argmax(1)
        wanted = torch.where(targets.wanted == NO_LABEL, said, targets.wanted)
        loss = targets.mean(F.softplus(-margins.gather(1, wanted[:, None])[:, 0]))
        p = targets.mean(margins.sigmoid().detach())
        own = F.one_hot(wanted, margins.shape[1]).bool()
        errors = torch.where(own, -(-margins).sigmoid(), margins.sigmoid()).detach() / targets.counts[targets.owner, None]
        none, state = torch.full_like(targets.counts, NO_LABEL), hidden.detach().float()
        return Reading(
            torch.logit(p, eps=1e-7), loss, none, none, p, targets.mean(state), targets.rows(errors), targets.rows(state),
            greedy=said, counts=targets.counts, real=targets.rows(torch.ones_like(loss)[targets.owner]),
        )  # fmt: skip

    def watch(self, logits: Float[Tensor, "S R O"], wanted: Wanted) -> Float[Tensor, "S R"]:
        """Probability of the probe's output, or of the label that its token has in the unedited row."""
        p = logits.float().softmax(-1)
        return wanted.named(p, p[:, 0].argmax(-1))

    def decide(self, logits: Float[Tensor, "S R O"], wanted: Wanted) -> Float[Tensor, "R C"]:
        """Mean probability of each label over the tokens, each edited at its own position."""
        return logits.float().softmax(-1).mean(0)

    def edited(self, instance: RenderedInstance) -> list[Probe]:
        """The sequence, once for each token that has a label."""
        types = first_types(instance)
        return [Probe(instance.sequences[0], types=types, read=read) for read in instance.reads]

    def answer(self, reading: Reading, row: int, outputs: Sequence[str]) -> str | None:
        """The labels of the tokens."""
        said = reading.said(row)
        return None if said is None else shown_tokens(said, outputs)

    def answers(self, logits: Float[Tensor, "S R O"], wanted: Wanted, outputs: Sequence[str]) -> list[str]:
        """The labels of the tokens, for each row."""
        return [shown_tokens(labels, outputs) for labels in logits.argmax(-1).T.tolist()]

    def settled(self, batch: InstanceBatch, reading: Reading) -> InstanceBatch:
        """See `Objective.settled`."""
        if reading.greedy is None:
            return batch
        wanted = torch.where(batch.targets.wanted == NO_LABEL, reading.greedy, batch.targets.wanted)
        return replace(batch, targets=replace(batch.targets, wanted=wanted))


def shown_tokens(labels: Sequence[int], outputs: Sequence[str]) -> str:
    """Labels of tokens as tables show them: the JSON list of their names."""
    return json.dumps([outputs[label] for label in labels], ensure_ascii=False)
