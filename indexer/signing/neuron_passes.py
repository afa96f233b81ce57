"""Passes that score neurons, of probes or of all target tokens of texts, and the room that a recording of them reads.

Letters: S sequences, R rows of a sequence, O outputs of the head, L layers, F neurons of a layer.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from attridex.indexer.gradients.replayed import InstancePasses, filled_tokens
from attridex.indexer.models.architectures import Architecture, Site
from attridex.indexer.models.batches import TokenBatch
from attridex.indexer.neurons.quadrature import Quadrature
from attridex.indexer.neurons.scores import NeuronPass, score_neurons
from attridex.indexer.neurons.token_scores import score_tokens
from attridex.indexer.replaying.replays import filled, roomy, within
from attridex.indexer.tasks.instance_batches import InstanceBatch
from attridex.indexer.tasks.probes import NO_OUTPUT, ProbeBatch, Wanted

Watched = Callable[[Float[Tensor, "S R O"], Wanted], Float[Tensor, "S R"]]
"""P(target) from the logits of edited rows, by what is watched."""


class Shape(NamedTuple):
    """What room is made for: sequences, tokens of each, and whether there are token types and positions of their own."""

    rows: int
    width: int
    typed: bool
    placed: bool


class Scored:
    """What passes that score neurons give; see `Passes`."""

    what = "neuron scores"

    def changed(self, given: NeuronPass, change: Callable[[str, Tensor], Tensor]) -> NeuronPass:
        """See `Passes.changed`."""
        return NeuronPass(change("scores", given.scores), change("activations", given.activations))

    def compared(self, given: NeuronPass) -> Tensor:
        """The scores."""
        return given.scores


class TokenPasses(InstancePasses, Scored):
    """Passes that score the neurons of all target tokens of texts, the mean over each text's; see `score_tokens`."""

    def __init__(self, arch: Architecture, site: Site, watch: Watched, longest: int | None = None) -> None:
        """Score neurons.

        Args:
            arch: a language model.
            site: where a neuron is read.
            watch: gives P(target).
            longest: tokens that a sequence may have.
        """
        self._arch, self._site, self._watch, self.longest = arch, site, watch, longest
        self.bound = arch.bound

    def take(self, batch: InstanceBatch) -> NeuronPass:
        """The plain pass."""
        targets = batch.targets
        wanted = Wanted.of_tokens(targets.wanted)
        found = score_tokens(
            self._arch, batch.tokens, self._site, targets.owner, targets.at, lambda logits: self._watch(logits, wanted)
        )
        return self.changed(found, lambda _name, column: targets.mean(column))


class NeuronPasses(Scored):
    """Passes that score the neurons of probes by one rule; see `score_neurons`."""

    def __init__(self, arch: Architecture, site: Site, rule: Quadrature, watch: Watched, longest: int | None = None) -> None:
        """Score neurons.

        Args:
            arch: the model.
            site: where a neuron is read.
            rule: of the integral.
            watch: gives P(target).
            longest: tokens that a sequence may have.
        """
        self._arch, self._site, self._rule, self._watch, self._longest = arch, site, rule, watch, longest
        self.bound = arch.bound

    def shape(self, batch: ProbeBatch) -> Shape | None:
        """The shape of room for a batch; None for the two sides of an encoder-decoder model."""
        tokens = batch.tokens
        if tokens.source is not None:
            return None
        width = within(tokens.ids.shape[1], self._longest)
        return Shape(roomy(len(tokens.ids)), width, tokens.types is not None, tokens.own_reads is not None)

    def room(self, shape: Shape, batch: ProbeBatch) -> ProbeBatch:
        """See `Passes.room`."""
        rows, width, device = shape.rows, shape.width, batch.tokens.ids.device

        def whole(*size: int) -> Tensor:
            return torch.zeros(size, dtype=torch.long, device=device)

        tokens = TokenBatch(whole(rows, width), whole(rows, width), whole(rows), extents=whole(rows))
        if shape.typed:
            tokens = replace(tokens, types=whole(rows, width))
        if shape.placed:
            tokens = replace(tokens, own_reads=whole(rows))
        return ProbeBatch(tokens, Wanted(whole(rows), whole(rows), torch.zeros(rows, device=device)))

    def fill(self, room: ProbeBatch, batch: ProbeBatch) -> None:
        """See `Passes.fill`."""
        filled_tokens(room.tokens, batch.tokens)
        if room.tokens.extents is not None and batch.tokens.extents is not None:
            filled(room.tokens.extents, batch.tokens.extents, 1)
        if room.tokens.own_reads is not None and batch.tokens.own_reads is not None:
            filled(room.tokens.own_reads, batch.tokens.own_reads)
        filled(room.wanted.token, batch.wanted.token)
        filled(room.wanted.output, batch.wanted.output, NO_OUTPUT)
        filled(room.wanted.margin, batch.wanted.margin)

    def take(self, batch: ProbeBatch) -> NeuronPass:
        """The plain pass."""
        return score_neurons(self._arch, batch.tokens, self._site, self._rule, lambda logits: self._watch(logits, batch.wanted))

    def count(self, _name: str, batch: ProbeBatch) -> int:
        """See `Passes.count`."""
        return len(batch.tokens.ids)
