"""Per-instance gradients of the loss, taken without ever holding a weight gradient of the whole model.

Letters: B instances, J states that the head reads for each, O outputs and h inputs of the head, d stored dimensions.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from attridex.indexer.curvature.kfac import FactorSums
from attridex.indexer.gradients.sketches import Sketch
from attridex.indexer.index.records import Block
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.models.hooks import differentiable_inputs
from attridex.indexer.models.low_rank import OnGradient, OnInput
from attridex.indexer.tasks.instance_batches import InstanceBatch
from attridex.indexer.tasks.objective import Objective, Reading
from attridex.indexer.tasks.token_loss import SURE

LabelSource = Literal["gold", "predicted"]
Capture = Callable[[OnInput, OnGradient], AbstractContextManager[None]]
"""Shows layers' inputs and output gradients while it is open; see `hooks.captured_linear`."""


@dataclass(frozen=True)
class GradientPass:
    """What one pass over a batch gives: the task's reading, and the stored vectors."""

    reading: Reading
    gradients: Float[Tensor, "B d"]


@runtime_checkable
class Gradients(Protocol):
    """Takes the stored vector P g(x) of each instance of a batch."""

    dim: int
    blocks: list[Block]

    def take(self, batch: InstanceBatch, factors: FactorSums | None = None) -> GradientPass:
        """One pass over a batch; `factors` is where K-FAC's are summed, while an index is built."""


class HeadGradients:
    """Gradient of the head's weight, from one forward pass: (p - y) outer h, summed over the states that the head reads."""

    def __init__(self, arch: Architecture, objective: Objective, sketch: Sketch) -> None:
        """`sketch` is of the one layer "head"."""
        self._arch, self._objective, self._sketch = arch, objective, sketch
        self.dim, self.blocks = sketch.dim, sketch.blocks

    @torch.no_grad()
    def take(self, batch: InstanceBatch, factors: FactorSums | None = None) -> GradientPass:
        """One forward pass; see `Gradients.take`."""
        reading = self._objective.read(self._arch, self._arch.final_states(batch.tokens), batch)
        if reading.errors is None or reading.inputs is None:
            raise TypeError("this task has no head of its own")
        kept, rows = self._sketch.keep("head", reading.inputs), self._sketch.project("head", reading.errors)
        if factors:
            factors.add("head", kept, rows, torch.ones(kept.shape[:2]))
        out = torch.zeros(batch.size, self.dim, device=kept.device)
        self._sketch.add("head", kept, rows, out)
        return GradientPass(reading, out)


class LayerGradients:
    """Gradients of linear layers inside the model: one forward, one backward to activations, no weight gradients."""

    def __init__(self, arch: Architecture, objective: Objective, capture: Capture, sketch: Sketch) -> None:
        """Prepare to take them.

        Args:
            arch: the model.
            objective: of its task.
            capture: shows the layers of the sketch.
            sketch: what is kept of them.
        """
        self._arch, self._objective, self._capture, self._sketch = arch, objective, capture, sketch
        self.dim, self.blocks = sketch.dim, sketch.blocks

    def take(self, batch: InstanceBatch, factors: FactorSums | None = None) -> GradientPass:
        """One forward and backward pass; see `Gradients.take`. The sequences of an instance count as one."""
        out = torch.zeros(batch.size, self.dim, device=batch.labels.device)

        def on_input(name: str, a: Tensor, experts: Tensor | None = None) -> KeptInput:
            own = None if experts is None else experts.reshape(batch.size, -1)
            return KeptInput(self._sketch.keep(name, a.reshape(batch.size, -1, a.shape[-1])), own)

        def on_gradient(name: str, kept: KeptInput, delta: Tensor) -> None:
            rows = self._sketch.project(name, delta.reshape(batch.size, -1, delta.shape[-1]), kept.experts)
            self._sketch.add(name, kept.a, rows, out)
            if factors:
                factors.add(name, kept.a, rows, real_rows(batch.tokens.mask, rows))

        with differentiable_inputs(self._arch), self._capture(on_input, on_gradient):
            reading = self._objective.read(self._arch, self._arch.final_states(batch.tokens), batch)
            size = backward_size(reading.loss.detach(), next(self._arch.model.parameters()).dtype)
            (reading.loss / size).sum().backward()
        return GradientPass(reading, out * size[:, None])


class KeptInput(NamedTuple):
    """What is kept of a layer's input until the backward pass, and the expert of each row where the layer is many."""

    a: Float[Tensor, "B T i"]
    experts: Int[Tensor, "B T"] | None


def real_rows(mask: Int[Tensor, "S L"], rows: Float[Tensor, "B T k"]) -> Shaped[Tensor, " rows"]:
    """1 for each row of a real token: of fused experts a token has several, of an encoder's pooler an instance has one."""
    times, odd = divmod(rows.shape[:2].numel(), mask.numel())
    return torch.ones(rows.shape[:2].numel()) if odd else mask.reshape(-1).repeat_interleave(times)


def backward_size(loss: Float[Tensor, " B"], dtype: torch.dtype) -> Float[Tensor, " B"]:
    """What each instance's loss is divided by on its way back, and its gradient multiplied by: 1 but for float16 models.

    The gradient of a loss in the logits is at most 1 - exp(-loss). In float16 it would vanish where the model is sure.
    """
    if dtype != torch.float16:
        return torch.ones_like(loss)
    return torch.where(loss > 0, -torch.expm1(-loss), SURE)
