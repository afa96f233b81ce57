"""Passes of batches of like shape, recorded once and replayed: what a GPU has to do, without Python's part of it.

Letters: B instances, S sequences, T tokens of the longest, N tokens with a loss, d stored dimensions.

In bfloat16 a pass of a small model takes a GPU less time than Python needs to launch its kernels. A batch is put into room that
is kept for its shape, rounded up; what is left of the room are instances that nobody asks for, the last of which owns the
tokens with a loss that are left over.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from attridex.indexer.curvature.kfac import FactorSums
from attridex.indexer.errors import first_line
from attridex.indexer.gradients.gradients import GradientPass, Gradients
from attridex.indexer.gradients.recording import Recorder
from attridex.indexer.models.batches import TokenBatch
from attridex.indexer.tasks.instance_batches import InstanceBatch, TokenTargets

STEPS = 8
"""Sizes between a power of two and the next that room is made for: at most an eighth is left over."""
KEPT = 16
"""Shapes whose recordings are kept, those used last."""
AGREE = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 5e-2}
"""How far a replayed batch's gradients may be from the plain pass', of their norm: room that is left over changes the order of
sums, and by that roundings."""
log = logging.getLogger("attridex.indexer")


def roomy(size: int) -> int:
    """The size that room is made for."""
    step = max(1, (1 << size.bit_length()) // (2 * STEPS))
    return -(-size // step) * step


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
    def of(cls, batch: InstanceBatch) -> "Shape | None":
        """The shape of a batch with room to spare for one instance; None for one that is not replayed."""
        tokens, targets = batch.tokens, len(batch.targets.owner)
        if tokens.source is not None or tokens.own_reads is not None or tokens.extents is not None:
            return None
        return cls(
            roomy(batch.size + 1), len(tokens.ids) // batch.size, roomy(tokens.ids.shape[1]),
            roomy(targets + 1) if targets else 0, tokens.types is not None, batch.goals.shape[1],
        )  # fmt: skip


class Room:
    """Tensors that a recording reads."""

    def __init__(self, shape: Shape, device: torch.device) -> None:
        """Empty room."""
        sequences = shape.rows * shape.copies

        def whole(*size: int) -> Tensor:
            return torch.zeros(size, dtype=torch.long, device=device)

        types = whole(sequences, shape.width) if shape.typed else None
        tokens = TokenBatch(whole(sequences, shape.width), whole(sequences, shape.width), whole(sequences), types)
        targets = TokenTargets(whole(shape.targets), whole(shape.targets), whole(shape.targets), whole(shape.rows))
        goals = torch.zeros(shape.rows, shape.goals, device=device)
        self.batch = InstanceBatch(tokens, shape.rows, whole(shape.rows), targets, goals)

    def take(self, batch: InstanceBatch) -> None:
        """Put a batch into it."""
        own, tokens, targets = self.batch, batch.tokens, batch.targets
        filled(own.tokens.ids, tokens.ids)
        filled(own.tokens.mask, tokens.mask)
        own.tokens.mask[len(tokens.ids) :, 0] = 1  # a sequence without a token has no answer
        filled(own.tokens.lengths, tokens.lengths, 1)
        if own.tokens.types is not None and tokens.types is not None:
            filled(own.tokens.types, tokens.types)
        filled(own.labels, batch.labels)
        filled(own.goals, batch.goals)
        filled(own.targets.owner, targets.owner, own.size - 1)
        filled(own.targets.at, targets.at)
        filled(own.targets.wanted, targets.wanted)
        filled(own.targets.counts, targets.counts, 1)
        own.targets.counts[-1] = max(1, len(own.targets.owner) - len(targets.owner))


def filled(room: Tensor, values: Tensor, rest: int = 0) -> None:
    """Put values into the beginning of room, and `rest` where nothing is put."""
    room.fill_(rest)
    room[tuple(map(slice, values.shape))] = values


@dataclass(frozen=True)
class Recording:
    """A pass that was recorded: where its batch is put, what runs it, and what it gives."""

    room: Room
    run: Callable[[], None]
    given: GradientPass

    def take(self, batch: InstanceBatch) -> GradientPass:
        """The pass over a batch."""
        self.room.take(batch)
        self.run()

        def own(name: str, column: Tensor) -> Tensor:
            return column[: len(batch.targets.owner) if name == "greedy" else batch.size].clone()

        return GradientPass(self.given.reading.changed(own), own("gradients", self.given.gradients))


class Replayed(Gradients):
    """Gradients whose passes are replayed where that can be done, and gives the same.

    A shape is recorded when it comes for the second time, and the recording is compared with the plain pass. Where a model cannot
    be recorded (what it computes depends on values, as where tokens are routed), every pass is a plain one.

    Attributes:
        refused: why none is recorded; empty as long as nothing was wrong.
        replays: passes that were replayed.
    """

    def __init__(self, gradients: Gradients, recorder: Recorder, dtype: torch.dtype = torch.float32) -> None:
        """Replay passes.

        Args:
            gradients: makes them.
            recorder: records them.
            dtype: of the model.
        """
        self._plain, self._recorder, self._agree = gradients, recorder, AGREE[dtype]
        self.dim, self.blocks = gradients.dim, gradients.blocks
        self._seen: set[Shape] = set()
        self._kept: OrderedDict[Shape, Recording] = OrderedDict()
        self.refused, self.replays = "", 0

    def take(self, batch: InstanceBatch, factors: FactorSums | None = None) -> GradientPass:
        """One pass over a batch; see `Gradients.take`. Sums of factors are of plain passes."""
        shape = None if factors or self.refused else Shape.of(batch)
        if shape is None:
            return self._plain.take(batch, factors)
        if shape in self._kept:
            self._kept.move_to_end(shape)
            self.replays += 1
            return self._kept[shape].take(batch)
        plain = self._plain.take(batch)
        if shape in self._seen:
            self._record(shape, batch, plain)
        self._seen.add(shape)
        return plain

    def tried(self, batch: InstanceBatch) -> str:
        """Why passes like one over this batch are plain ones; empty where they are replayed."""
        for _ in range(2):
            self.take(batch)
        return self.refused or ("" if Shape.of(batch) else "its batches have more parts than a recording has room for")

    def _record(self, shape: Shape, batch: InstanceBatch, plain: GradientPass) -> None:
        """Keep a recording for a shape, if it gives what the plain pass over a batch gave."""
        try:
            recording = self._recording(Room(shape, batch.labels.device), batch)
            found = recording.take(batch)
        except Exception as error:  # of CUDA, or of the model's own code: whatever it raises
            self._refuse(f"a pass cannot be recorded ({first_line(error)})")
            return
        off = distance(found.gradients, plain.gradients)
        if not off <= self._agree:
            self._refuse(f"a recorded pass gave other gradients, {off:.2g} of their norm")
            return
        self._kept[shape] = recording
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    def _recording(self, room: Room, batch: InstanceBatch) -> Recording:
        room.take(batch)

        def work() -> GradientPass:
            found = self._plain.take(room.batch)
            return replace(found, reading=found.reading.changed(lambda _name, column: column.detach()))

        return Recording(room, *self._recorder(work))

    def _refuse(self, why: str) -> None:
        log.warning("CUDA graphs are not used: %s", why)
        self.refused = why
        self._kept.clear()


def distance(found: Float[Tensor, "B d"], wanted: Float[Tensor, "B d"]) -> float:
    """How far values are from others, of their norm."""
    off, size = float((found - wanted).norm()), float(wanted.norm())
    return off / size if size else off
