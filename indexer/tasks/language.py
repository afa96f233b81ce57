"""Language models: tokens with a loss, each read at the position before it.

Letters: B instances, S sequences, T tokens, C outputs an instance decides between, J states the head reads for an instance,
R rows of a sequence (edited copies of its read position), O outputs of the head, V vocabulary, h hidden size.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from attridex.indexer.corpus.instances import NO_LABEL, RenderedInstance
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.tasks.instance_batches import InstanceBatch
from attridex.indexer.tasks.objective import Objective, Reading, first_types
from attridex.indexer.tasks.probes import Probe, Wanted
from attridex.indexer.tasks.token_loss import token_losses


class CausalLM(Objective):
    """A prompt and target tokens; each is read at the position before it."""

    def read(self, arch: Architecture, states: Float[Tensor, "S T h"], batch: InstanceBatch) -> Reading:
        """See `Objective.read`."""
        targets = batch.targets
        hidden = arch.head_input(states[targets.owner, targets.at])
        cost, best = token_losses(arch.head, hidden, targets.wanted, arch.structure.rule)
        loss = targets.mean(cost)
        fixed = loss.detach()
        margins = -fixed - torch.log(-torch.expm1(-fixed))
        none = torch.full_like(targets.counts, NO_LABEL)
        probability = targets.mean((-cost.detach()).exp())
        state = targets.mean(hidden.detach().float())
        return Reading(margins[:, None], loss, none, none, probability[:, None], state, greedy=best, counts=targets.counts)

    def watch(self, logits: Float[Tensor, "S R O"], wanted: Wanted) -> Float[Tensor, "S R"]:
        """Probability of each probe's token."""
        z = logits.float()
        return (z.gather(2, wanted.token[:, None, None].expand(-1, z.shape[1], 1))[..., 0] - z.logsumexp(-1)).exp()

    def decide(self, logits: Float[Tensor, "S R O"], wanted: Wanted) -> Float[Tensor, "R C"]:
        """Mean probability of the target tokens (C = 1)."""
        return self.watch(logits, wanted).mean(0)[:, None]

    def edited(self, instance: RenderedInstance) -> list[Probe]:
        """The sequence up to each position that decides a token."""
        ids, tokens = instance.sequences[0], zip(instance.reads, instance.wanted, strict=True)
        return [
            Probe(ids[: read + 1], wanted, types=first_types(instance)[: read + 1], extent=len(ids), source=instance.source)
            for read, wanted in tokens
        ]

    def answer(self, reading: Reading, row: int, outputs: Sequence[str]) -> str | None:
        """None: what the model would have said stands in the reading's tokens."""
        return None

    def answers(self, logits: Float[Tensor, "S R O"], wanted: Wanted, outputs: Sequence[str]) -> list[str]:
        """Nothing: what the model would have said are the most probable tokens."""
        return []
