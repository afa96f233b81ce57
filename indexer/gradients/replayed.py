"""Passes that take gradients, replayed on a GPU: the room that a recording of them reads.

Letters: B instances, S sequences, T tokens of the longest, N tokens with a loss.

What is left of the room are instances that nobody asks for, the last of which owns the tokens with a loss that are left over.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from attridex.indexer.curvature.kfac import FactorSums
from attridex.indexer.gradients.gradients import GradientPass, Gradients
from attridex.indexer.models.batches import TokenBatch
from attridex.indexer.replaying.recording import Recorder
from attridex.indexer.replaying.replays import Replays, filled, roomy, within
from attridex.indexer.tasks.instance_batches import InstanceBatch, TokenTargets


@dataclass(frozen=True)
class Shape:
    """What room is made for.

    Attributes:
        rows: instances.
        copies: sequences of each.
        width: tokens of a sequence.
        targets: tokens with a loss, of all.
        typed: whether there are token types.
        goals: outputs that have goals.
    """

    rows: int
    copies: int
    width: int
    targets: int
    typed: bool
    goals: int

    @classmethod
    def of(cls, batch: InstanceBatch, longest: int | None = None) -> "Shape | None":
        """The shape of a batch with room to spare for one instance; None for one that is not replayed.

        Args:
            batch: of instances.
            longest: tokens that a sequence may have.
        """
        tokens, targets = batch.tokens, len(batch.targets.owner)
        if tokens.source is not None or tokens.own_reads is not None or tokens.extents is not None:
            return None
        return cls(
            roomy(batch.size + 1), len(tokens.ids) // batch.size, within(tokens.ids.shape[1], longest),
            roomy(targets + 1) if targets else 0, tokens.types is not None, batch.goals.shape[1],
        )  # fmt: skip


def room_of(shape: Shape, device: torch.device) -> InstanceBatch:
    """Empty room for batches of a shape."""
    sequences = shape.rows * shape.copies

    def whole(*size: int) -> Tensor:
        return torch.zeros(size, dtype=torch.long, device=device)

    types = whole(sequences, shape.width) if shape.typed else None
    tokens = TokenBatch(whole(sequences, shape.width), whole(sequences, shape.width), whole(sequences), types)
    targets = TokenTargets(whole(shape.targets), whole(shape.targets), whole(shape.targets), whole(shape.rows))
    return InstanceBatch(tokens, shape.rows, whole(shape.rows), targets, torch.zeros(shape.rows, shape.goals, device=device))


class InstancePasses:
    """The room of passes over batches of instances; see `Passes`.

    Attributes:
        longest: tokens that a sequence may have; None where that is not known.
    """

    longest: int | None = None

    def shape(self, batch: InstanceBatch) -> Shape | None:
        """See `Shape.of`."""
        return Shape.of(batch, self.longest)

    def room(self, shape: Shape, batch: InstanceBatch) -> InstanceBatch:
        """See `room_of`."""
        return room_of(shape, batch.labels.device)

    def fill(self, room: InstanceBatch, batch: InstanceBatch) -> None:
        """See `Passes.fill`."""
        tokens, targets = batch.tokens, batch.targets
        filled_tokens(room.tokens, tokens)
        filled(room.labels, batch.labels)
        filled(room.goals, batch.goals)
        filled(room.targets.owner, targets.owner, room.size - 1)
        filled(room.targets.at, targets.at)
        filled(room.targets.wanted, targets.wanted)
        filled(room.targets.counts, targets.counts, 1)
        room.targets.counts[-1:] = max(1, len(room.targets.owner) - len(targets.owner))

    def count(self, name: str, batch: InstanceBatch) -> int:
        """See `Passes.count`."""
        return len(batch.targets.owner) if name == "greedy" else batch.size


class GradientPasses(InstancePasses):
    """Passes that take gradients; see `Passes`."""

    what = "gradients"

    def __init__(self, gradients: Gradients, longest: int | None = None) -> None:
        """`gradients` takes them; `longest` as in `InstancePasses`."""
        self._gradients, self.longest = gradients, longest

    @property
    def bound(self) -> str:
        """See `Passes.bound`."""
        return self._gradients.bound

    def take(self, batch: InstanceBatch) -> GradientPass:
        """The plain pass."""
        return self._gradients.take(batch)

    def changed(self, given: GradientPass, change: Callable[[str, Tensor], Tensor]) -> GradientPass:
        """See `Passes.changed`."""
        return GradientPass(given.reading.changed(change), change("gradients", given.gradients))

    def compared(self, given: GradientPass) -> Tensor:
        """The gradients [B, d]."""
        return given.gradients


def filled_tokens(room: TokenBatch, batch: TokenBatch) -> None:
    """Put sequences into room; one that is left over has one token, since without any it has no answer."""
    filled(room.ids, batch.ids)
    filled(room.mask, batch.mask)
    room.mask[len(batch.ids) :, 0] = 1
    filled(room.lengths, batch.lengths, 1)
    if room.types is not None and batch.types is not None:
        filled(room.types, batch.types)


class Replayed(Gradients):
    """Gradients whose passes are replayed where that can be done, and gives the same.

    Attributes:
        replays: of the passes.
    """

    def __init__(self, gradients: Gradients, recorder: Recorder, precision: str = "float32", longest: int | None = None) -> None:
        """Replay passes.

        Args:
            gradients: takes them.
            recorder: records them.
            precision: what they are rounded to; see `Replays`.
            longest: tokens that a sequence may have.
        """
        self._plain = gradients
        self.dim, self.blocks = gradients.dim, gradients.blocks
        self.replays = Replays(GradientPasses(gradients, longest), recorder, precision)

    @property
    def bound(self) -> str:
        """See `Gradients.bound`."""
        return self._plain.bound

    def take(self, batch: InstanceBatch, factors: FactorSums | None = None) -> GradientPass:
        """One pass over a batch; see `Gradients.take`. Sums of factors are of plain passes."""
        return self._plain.take(batch, factors) if factors else self.replays.take(batch)
