"""Reading instances with a model as attribution does, and what it says of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.models.batches import plan_batches
from attridex.indexer.progress import Advance
from attridex.indexer.task_kinds import Task
from attridex.indexer.tasks.instance_batches import collate
from attridex.indexer.tasks.objective import Reading
from attridex.indexer.tasks.registry import objective_of


@dataclass(frozen=True)
class Evaluation:
    """What a model says of some tests.

    Attributes:
        losses: of the gold label, as the task has it [n].
        right: whether the most probable output is the gold one [n].
    """

    losses: NDArray[np.float64]
    right: NDArray[np.bool_]


class GroupReading(NamedTuple):
    """Positions of instances that were read together, and their reading."""

    positions: list[int]
    reading: Reading


class TaskReader:
    """Reads instances as attribution does: the loss and the decision of a task."""

    def __init__(self, arch: Architecture, task: Task, pad_token: int) -> None:
        """`pad_token` fills batches."""
        self.arch, self._objective, self._pad = arch, objective_of(task, arch.outputs), pad_token

    def read(self, instances: Sequence[RenderedInstance]) -> Iterator[GroupReading]:
        """Readings of instances, those with as many sequences together."""
        groups: dict[int, list[int]] = {}
        for position, instance in enumerate(instances):
            groups.setdefault(len(instance.sequences), []).append(position)
        device = next(self.arch.model.parameters()).device
        for positions in groups.values():
            batch = collate([instances[position] for position in positions], self._pad, device)
            yield GroupReading(positions, self._objective.read(self.arch, self.arch.final_states(batch.tokens), batch))

    def is_right(self, reading: Reading, row: int, instance: RenderedInstance) -> bool:
        """Whether what is predicted of an instance is its label, or every token that has a loss; of a regression nearly never."""
        if (said := reading.said(row)) is not None:
            return said == list(instance.wanted)
        return self._objective.answer(reading, row, instance.outputs) == instance.label_name

    @torch.no_grad()
    def read_all(self, instances: Sequence[RenderedInstance], advance: Advance, budget: int = 4096) -> Iterator[GroupReading]:
        """Readings of many instances, without gradients; `advance` hears of batches, of `budget` tokens at most."""
        for rows in plan_batches([instance.tokens for instance in instances], budget):
            for positions, reading in self.read([instances[row] for row in rows]):
                yield GroupReading([rows[position] for position in positions], reading)
            advance(len(rows))


def evaluate(
    reader: TaskReader, instances: Sequence[RenderedInstance], advance: Advance = lambda _count: None, budget: int = 4096
) -> Evaluation:
    """What a model says of instances.

    Args:
        reader: of the model.
        instances: each with its label.
        advance: hears of batches.
        budget: tokens of a batch.
    """
    losses, right = np.zeros(len(instances)), np.zeros(len(instances), bool)
    for at, reading in reader.read_all(instances, advance, budget):
        losses[at] = reading.loss.double().cpu().numpy()
        right[at] = [reader.is_right(reading, row, instances[position]) for row, position in enumerate(at)]
    return Evaluation(losses, right)
