"""Passes of batches of like shape, recorded once and replayed: what a GPU has to do, without Python's part of it.

In bfloat16 a pass of a small model takes a GPU less time than Python needs to launch its kernels. A batch is put into room that
is kept for its shape, rounded up.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from torch import Tensor

from attridex.indexer.errors import first_line
from attridex.indexer.replaying.recording import Recorder

Shape = TypeVar("Shape", bound=Hashable)
Batch = TypeVar("Batch")
Given = TypeVar("Given")
STEPS = 8
"""Sizes between a power of two and the next that room is made for: at most an eighth is left over."""
KEPT = 64
"""Shapes whose recordings are kept; they share their memory."""
AGREE = {"float32": 1e-4, "tf32": 5e-3, "float16": 2e-2, "bfloat16": 5e-2}
"""How far what a replayed pass gives may be from what the plain one does, of its norm, by what passes are rounded to: room that
is left over changes the order of sums, and by that roundings."""
log = logging.getLogger("attridex.indexer")


def roomy(size: int) -> int:
    """The size that room is made for."""
    step = max(1, (1 << size.bit_length()) // (2 * STEPS))
    return -(-size // step) * step


def within(size: int, most: int | None) -> int:
    """The size that room is made for where nothing may be larger than `most`: a model has no more positions."""
    return roomy(size) if most is None else min(roomy(size), max(size, most))


def filled(room: Tensor, values: Tensor, rest: int = 0) -> None:
    """Put values into the beginning of room, and `rest` where nothing is put."""
    room.fill_(rest)
    room[tuple(map(slice, values.shape))] = values


class Passes(Protocol[Shape, Batch, Given]):
    """Passes of one kind over batches, and the room that their recordings read."""

    what: str
    """What they give, in the plural."""

    @property
    def bound(self) -> str:
        """What values decide of a pass' own shape or way, as far as plain passes have shown it; empty for nothing."""

    def shape(self, batch: Batch) -> Shape | None:
        """What room is made for, by sizes that `roomy` gives; None for a batch that is not replayed."""

    def room(self, shape: Shape, batch: Batch) -> Batch:
        """Empty room for all batches of a shape, on the device of this one."""

    def fill(self, room: Batch, batch: Batch) -> None:
        """Put a batch into room; what is left over computes something that nobody asks for."""

    def take(self, batch: Batch) -> Given:
        """The pass over a batch."""

    def changed(self, given: Given, change: Callable[[str, Tensor], Tensor]) -> Given:
        """What a pass gave with every column as `change(name, column)` gives it."""

    def count(self, name: str, batch: Batch) -> int:
        """Rows of a column that are a batch's."""

    def compared(self, given: Given) -> Tensor:
        """What of it has to be the plain pass'."""


@dataclass(frozen=True)
class Recording(Generic[Batch, Given]):
    """A pass that was recorded: where its batch is put, what runs it, and what it gives, written over each time."""

    room: Batch
    run: Callable[[], None]
    given: Given


class Replays(Generic[Batch, Given]):
    """Passes that are replayed where that can be done, and gives the same.

    A shape is recorded when it comes for the second time, and the recording is compared with the plain pass. Once as many are
    kept as may be, one gives way to a shape that came after its last use: those of a corpus that come round in turn, and are too
    many, do not take each other's place. Where a model cannot be recorded (what it computes depends on values, as where tokens
    are routed), every pass is a plain one.

    Attributes:
        refused: why none is recorded; empty as long as nothing was wrong.
        replays: passes that were replayed.
    """

    def __init__(self, passes: Passes[Any, Batch, Given], recorder: Recorder, precision: str = "float32") -> None:
        """Replay passes.

        Args:
            passes: of one kind.
            recorder: records them.
            precision: what they are rounded to: one of `AGREE`.
        """
        self._passes, self._recorder, self._agree = passes, recorder, AGREE[precision]
        self._last: dict[Hashable, int] = {}  # pass in which a shape came last
        self._kept: OrderedDict[Hashable, Recording[Batch, Given]] = OrderedDict()
        self.refused, self.replays, self._passed = "", 0, 0

    def take(self, batch: Batch) -> Given:
        """One pass over a batch."""
        shape = None if self.refused else self._passes.shape(batch)
        if shape is None:
            return self._passes.take(batch)
        before, self._passed = self._last.get(shape), self._passed + 1
        self._last[shape] = self._passed
        if shape in self._kept:
            self._kept.move_to_end(shape)
            self.replays += 1
            return self._replayed(self._kept[shape], batch)
        plain = self._passes.take(batch)
        if self._passes.bound:
            self._refuse(self._passes.bound)
        elif before and self._room_since(before):
            self._record(shape, batch, plain)
        return plain

    def _room_since(self, before: int) -> bool:
        """Whether a shape that came in an earlier pass may be recorded: there is room, or one that was not used since."""
        return len(self._kept) < KEPT or self._last[next(iter(self._kept))] < before

    def tried(self, batch: Batch) -> str:
        """Why passes like one over this batch are plain ones; empty where they are replayed."""
        for _ in range(2):
            self.take(batch)
        return self.refused or ("" if self._passes.shape(batch) else "its batches have more parts than a recording has room for")

    def _replayed(self, recording: Recording[Batch, Given], batch: Batch) -> Given:
        """The pass over a batch, by a recording."""
        self._passes.fill(recording.room, batch)
        recording.run()
        return self._passes.changed(recording.given, lambda name, column: column[: self._passes.count(name, batch)].clone())

    def _record(self, shape: Hashable, batch: Batch, plain: Given) -> None:
        """Keep a recording for a shape, if it gives what the plain pass over a batch gave."""
        try:
            recording = self._recording(shape, batch)
            found = self._replayed(recording, batch)
        except Exception as error:  # of CUDA, or of the model's own code: whatever it raises
            self._refuse(f"a pass cannot be recorded ({first_line(error)})")
            return
        off = distance(self._passes.compared(found), self._passes.compared(plain))
        if not off <= self._agree:
            self._refuse(f"a recorded pass gave other {self._passes.what}, {off:.2g} of their norm")
            return
        self._kept[shape] = recording
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    def _recording(self, shape: Hashable, batch: Batch) -> Recording[Batch, Given]:
        room = self._passes.room(shape, batch)
        self._passes.fill(room, batch)

        def work() -> Given:
            return self._passes.changed(self._passes.take(room), lambda _name, column: column.detach())

        return Recording(room, *self._recorder(work))

    def _refuse(self, why: str) -> None:
        log.warning("CUDA graphs are not used for %s: %s", self._passes.what, why)
        self.refused = why
        self._kept.clear()


def distance(found: Tensor, wanted: Tensor) -> float:
    """How far values are from others, of their norm."""
    off, size = float((found - wanted).norm()), float(wanted.norm())
    return off / size if size else off
