"""What a pass over a batch gives, brought to host memory and read instance by instance.

On a GPU the copies stand in line behind the pass itself, into pinned memory, so that the next pass runs meanwhile.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.signing.signature import Float32, GradientReading, NeuronReading
from attridex.indexer.tasks.objective import Objective, Reading, label_name

T = TypeVar("T")
IN_FLIGHT = {"cuda": 1}
"""Passes whose results are on their way while another one begins, by the kind of device; none elsewhere."""


@dataclass(frozen=True)
class GradientBatch:
    """What one pass reads: the positions of its instances among all that are signed, and a reading for each."""

    positions: list[int]
    readings: list[GradientReading]


def sent(tensor: Tensor) -> Tensor:
    """A tensor's values in host memory, where they are once the GPU has come to it; on a CPU the tensor itself."""
    own = tensor.detach()
    return torch.empty(own.shape, dtype=own.dtype, pin_memory=True).copy_(own, non_blocking=True) if own.is_cuda else own


def arrival(device: torch.device) -> Callable[[], None]:
    """What waits until all that was sent from a device so far has come."""
    if device.type != "cuda":
        return lambda: None
    wait: Callable[[], None] = torch.cuda.current_stream(device).record_event().synchronize
    return wait


def overlapped(passes: Iterable[T], device: torch.device) -> Iterator[T]:
    """The same passes, each once the device has work behind it."""
    waiting = deque[T]()
    for each in passes:
        waiting.append(each)
        if len(waiting) > IN_FLIGHT.get(device.type, 0):
            yield waiting.popleft()
    yield from waiting


class Arriving:
    """The columns of a pass' results on their way."""

    def __init__(self, *columns: Tensor) -> None:
        """Begin to copy them."""
        self._columns, self._wait = [sent(column) for column in columns], arrival(columns[0].device)

    def rows(self) -> Iterator[tuple[Float32, ...]]:
        """The values of each row; waits for them."""
        self._wait()
        return zip(*map(on_host, self._columns), strict=True)


def readings(arriving: Arriving) -> Iterator[NeuronReading]:
    """What is stored of each text."""
    return (NeuronReading(*row) for row in arriving.rows())


def on_host(values: Tensor) -> Float32:
    """A tensor's values as an array in host memory."""
    array: Float32 = values.detach().cpu().numpy()
    return array


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
        self._reading = reading.changed(lambda _name, column: sent(column))
        self._gradients, self._tracin = [each if each is None else sent(each) for each in (gradients, tracin)]
        self._wait = arrival(reading.loss.device)

    def read(self, objective: Objective, text: Callable[[Sequence[int]], str], *, predicted: bool) -> GradientBatch:
        """What each instance has of them; waits for them.

        Args:
            objective: of the task.
            text: of tokens.
            predicted: whether the loss is of the predicted labels.
        """
        self._wait()
        reading = self._reading
        explained, labels, losses = (column.tolist() for column in (reading.predicted, reading.labels, reading.loss))
        probabilities, margins, hidden = (column.numpy() for column in (reading.probabilities, reading.margins, reading.hidden))
        own, earlier = [each if each is None else each.numpy() for each in (self._gradients, self._tracin)]
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
