"""What a pass over a batch gives, brought to host memory and read instance by instance.

On a GPU the copies stand in line behind the pass itself, into pinned memory, so that the next pass runs meanwhile.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.signing.signature import GradientReading
from attridex.indexer.tasks.objective import Objective, Reading, label_name


@dataclass(frozen=True)
class GradientBatch:
    """What one pass reads: the positions of its instances among all that are signed, and a reading for each."""

    positions: list[int]
    readings: list[GradientReading]


@dataclass(frozen=True)
class HostCopy:
    """A tensor's values in host memory, once `done`, an event of the GPU that made them, is over."""

    values: Tensor
    done: torch.cuda.Event | None

    @classmethod
    def of(cls, tensor: Tensor) -> Self:
        """Begin to copy a tensor; on a CPU it is the tensor itself."""
        own = tensor.detach()
        if not own.is_cuda:
            return cls(own, None)
        with torch.cuda.device(own.device):
            values = torch.empty(own.shape, dtype=own.dtype, pin_memory=True).copy_(own, non_blocking=True)
            done = torch.cuda.Event()
            done.record()
        return cls(values, done)

    def arrived(self) -> Tensor:
        """The values; waits for them."""
        if self.done:
            self.done.synchronize()
        return self.values


class PassResults:
    """The results of one pass, on their way."""

    def __init__(
        self,
        positions: list[int],
        instances: Sequence[RenderedInstance],
        reading: Reading,
        gradients: Tensor | None,
        tracin: Tensor | None,
    ) -> None:
        """Begin to copy them.

        Args:
            positions: of the instances among all that are signed.
            instances: of the pass.
            reading: of the pass.
            gradients: of the pass.
            tracin: those at the checkpoints.
        """
        self._positions, self._instances = positions, instances
        self._columns: dict[str, HostCopy] = {}
        self._reading = reading.changed(self._begun)
        self._gradients, self._tracin = [each if each is None else HostCopy.of(each) for each in (gradients, tracin)]

    def _begun(self, name: str, column: Tensor) -> Tensor:
        self._columns[name] = HostCopy.of(column)
        return self._columns[name].values

    def read(self, objective: Objective, text: Callable[[Sequence[int]], str], *, predicted: bool) -> GradientBatch:
        """What each instance has of them; waits for them.

        Args:
            objective: of the task.
            text: of tokens.
            predicted: whether the loss is of the predicted labels.
        """
        reading = self._reading.changed(lambda name, _column: self._columns[name].arrived())
        explained, labels, losses = (column.tolist() for column in (reading.predicted, reading.labels, reading.loss))
        probabilities, margins, hidden = (column.numpy() for column in (reading.probabilities, reading.margins, reading.hidden))
        own, earlier = [each if each is None else each.arrived().numpy() for each in (self._gradients, self._tracin)]
        found = []
        for row, instance in enumerate(self._instances):
            said = objective.answer(reading, row, instance.outputs)
            greedy = reading.said(row) if said is None else None
            found.append(
                GradientReading(
                    predicted=explained[row],
                    label=label_name(instance, labels[row], said, predicted=predicted),
                    loss=losses[row],
                    said=said,
                    outputs=instance.outputs,
                    probabilities=probabilities[row],
                    margins=margins[row],
                    hidden=hidden[row],
                    greedy=None if greedy is None else text(greedy),
                    gradient=None if own is None else own[row],
                    tracin=None if earlier is None else earlier[row],
                )
            )
        return GradientBatch(self._positions, found)
