"""Per-instance gradients of the loss, taken without ever holding a weight gradient of the whole model.

Letters: B instances, J states that the head reads for each, O outputs and h inputs of the head, d stored dimensions.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Literal, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from attridex.indexer.curvature.kfac import FactorSums
from attridex.indexer.errors import InputError
from attridex.indexer.gradients.sketches import Sketch
from attridex.indexer.index.records import Block
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.models.hooks import differentiable_inputs
from attridex.indexer.models.low_rank import OnGradient, OnInput
from attridex.indexer.structure.uses import LinearUse
from attridex.indexer.tasks.instance_batches import InstanceBatch, single_instances
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

    @property
    def bound(self) -> str:
        """What values decide of a pass' own shape or way, as far as passes have shown it; empty for nothing."""

    def take(self, batch: InstanceBatch, factors: FactorSums | None = None) -> GradientPass:
        """One pass over a batch; `factors` is where K-FAC's are summed, while an index is built."""


class HeadGradients:
    """Gradient of the head's weight, from one forward pass: (p - y) outer h, summed over the states that the head reads."""

    def __init__(self, arch: Architecture, objective: Objective, sketch: Sketch) -> None:
        """`sketch` is of the one layer "head"."""
        self._arch, self._objective, self._sketch = arch, objective, sketch
        self.dim, self.blocks = sketch.dim, sketch.blocks

    @property
    def bound(self) -> str:
        """See `Gradients.bound`."""
        return self._arch.bound or self._objective.bound

    @torch.no_grad()
    def take(self, batch: InstanceBatch, factors: FactorSums | None = None) -> GradientPass:
        """One forward pass; see `Gradients.take`."""
        reading = self._objective.read(self._arch, self._arch.final_states(batch.tokens), batch)
        if reading.errors is None or reading.inputs is None:
            raise TypeError("this task has no head of its own")
        kept, rows = self._sketch.keep("head", reading.inputs), self._sketch.project("head", reading.errors)
        if factors:
            factors.add("head", kept, rows, torch.ones(kept.shape[:2]) if reading.real is None else reading.real)
        out = torch.zeros(batch.size, self.dim, device=kept.device)
        self._sketch.add("head", kept, rows, out)
        return GradientPass(reading, out)


@dataclass(frozen=True)
class KeptInput:
    """What is kept of a layer's input.

    Attributes:
        rows: by instance.
        owner: instance of each row, where instances have different numbers of them; None where the rows are in equal parts.
        experts: the expert of each row, where the layer is many.
    """

    rows: Float[Tensor, "B T i"]
    owner: Int[Tensor, " N"] | None
    experts: Int[Tensor, "B T"] | None = None


class LayerGradients:
    """Gradients of linear layers inside the model: one forward, one backward to activations, no weight gradients."""

    def __init__(
        self, arch: Architecture, objective: Objective, capture: Capture, sketch: Sketch, uses: Mapping[str, LinearUse]
    ) -> None:
        """Prepare to take them.

        Args:
            arch: the model.
            objective: of its task.
            capture: shows the layers of the sketch.
            sketch: what is kept of them.
            uses: how often a pass uses each of them.
        """
        self._arch, self._objective, self._capture, self._sketch = arch, objective, capture, sketch
        self._fires = {name: 1 if use.passed_by else use.fires for name, use in uses.items()}
        self._alone, self._staged = any(use.shared for use in uses.values()), False
        self.dim, self.blocks = sketch.dim, sketch.blocks

    def take(self, batch: InstanceBatch, factors: FactorSums | None = None) -> GradientPass:
        """One forward and backward pass; see `Gradients.take`. The sequences of an instance count as one.

        Where a layer reads something that all instances share, there is a pass for each of them.

        Raises:
            InputError: a layer was not called as often as when the model was loaded; or K-FAC's factors are wanted of one whose
                rows are the tokens of neither side of an encoder-decoder model.
        """
        if self._alone and batch.size > 1:
            passes = [self.take(one, factors) for one in single_instances(batch)]
            return GradientPass(joined([each.reading for each in passes]), torch.cat([each.gradients for each in passes]))
        batch = replace(batch, tokens=batch.tokens.sides_apart()) if factors else batch
        out = torch.zeros(batch.size, self.dim, device=batch.labels.device)
        calls: Counter[str] = Counter()

        def on_input(name: str, a: Tensor, experts: Tensor | None = None) -> KeptInput:
            owner = batch.targets.owner if self._arch.staging and len(batch.targets.owner) else None
            self._staged |= owner is not None
            own = None if experts is None else experts.reshape(batch.size, -1)
            return KeptInput(self._sketch.keep(name, by_instance(a, batch.size, owner)), owner, own)

        def on_gradient(name: str, kept: KeptInput, delta: Tensor) -> None:
            calls[name] += 1
            rows = self._sketch.project(name, by_instance(delta, batch.size, kept.owner), kept.experts)
            self._sketch.add(name, kept.rows, rows, out)
            if factors:
                factors.add(name, kept.rows, rows, self._mask(name, rows, batch, kept))

        with differentiable_inputs(self._arch), self._capture(on_input, on_gradient):
            reading = self._objective.read(self._arch, self._arch.final_states(batch.tokens), batch)
            size = backward_size(reading.loss.detach(), next(self._arch.model.parameters()).dtype)
            (reading.loss / size).sum().backward()
        self._check(calls)
        return GradientPass(reading, out * size[:, None])

    @property
    def bound(self) -> str:
        """See `Gradients.bound`."""
        if self._alone:
            return "a layer reads something that all instances share"
        if self._staged:
            return "a layer behind the blocks reads as many states of an instance as it has targets"
        return self._arch.bound or self._objective.bound

    def _mask(self, name: str, rows: Tensor, batch: InstanceBatch, kept: KeptInput) -> Tensor:
        """1 for the rows of a layer that count: those of the target's tokens or of the source's, by their number.

        Args:
            name: of the layer.
            rows: by instance.
            batch: whose two sides are not as wide.
            kept: of the layer's input.

        Raises:
            InputError: they are neither.
        """
        source = batch.tokens.source
        if source is None or kept.owner is not None:
            return mask_of(rows, batch, kept.owner, mixed=kept.experts is not None)
        mask = next((side.mask for side in (batch.tokens, source) if side.mask.shape == rows.shape[:2]), None)
        if mask is None or kept.experts is not None:
            raise InputError(
                f"{self._arch.where}: the rows of {name} are neither the source's tokens nor the target's, so K-FAC cannot tell "
                'which of them count; use gradients.curvature = ["fisher"]'
            )
        return mask

    def _check(self, calls: Counter[str]) -> None:
        """Refuse a pass that left a layer out: its gradient would silently be another one's."""
        for name, fires in self._fires.items():
            if calls[name] != fires:
                seen = f"{name} took part {calls[name]} times in a pass, {fires} times when the model was loaded"
                raise InputError(f"{self._arch.where}: {seen}; its gradient would silently be another one's")


def by_instance(x: Float[Tensor, "..."], size: int, owner: Int[Tensor, " N"] | None) -> Float[Tensor, "B T n"]:
    """Rows of a layer by instance, filled up with zeros; see `KeptInput.owner`."""
    if owner is None:
        return x.reshape(size, -1, x.shape[-1])
    out = x.new_zeros(size, int(owner.bincount(minlength=size).max()), x.shape[-1])
    return out.index_put((owner, places_of(owner, size)), x.reshape(-1, x.shape[-1]))


def places_of(owner: Int[Tensor, " N"], size: int) -> Int[Tensor, " N"]:
    """Place of each row among those of its instance; rows of an instance follow each other."""
    starts = torch.cat([owner.new_zeros(1), owner.bincount(minlength=size).cumsum(0)])[:-1]
    return torch.arange(len(owner), device=owner.device) - starts[owner]


def mask_of(
    rows: Float[Tensor, "B T o"], batch: InstanceBatch, owner: Int[Tensor, " N"] | None, *, mixed: bool = False
) -> Tensor:
    """1 for the rows of a layer that count.

    Args:
        rows: of the layer, by instance.
        batch: of the instances.
        owner: see `KeptInput.owner`.
        mixed: whether the layer is of fused experts, of which each token has several.
    """
    if owner is not None:
        return by_instance(torch.ones(len(owner), 1, device=owner.device), batch.size, owner)[..., 0]
    mask = batch.tokens.mask
    width, odd = divmod(rows.shape[:2].numel(), len(mask))
    if mixed:
        return mask.reshape(-1).repeat_interleave(width // mask.shape[1])
    # An encoder's pooler reads one state of each instance; some models fill up texts to whole windows.
    return torch.ones(rows.shape[:2]) if odd or width < mask.shape[1] else F.pad(mask, (0, width - mask.shape[1]))


def joined(readings: Sequence[Reading]) -> Reading:
    """Readings of instances as one."""
    return readings[0].changed(lambda name, _column: torch.cat([getattr(reading, name) for reading in readings]))


def backward_size(loss: Float[Tensor, " B"], dtype: torch.dtype) -> Float[Tensor, " B"]:
    """What each instance's loss is divided by on its way back, and its gradient multiplied by: 1 but for float16 models.

    The gradient of a loss in the logits is at most 1 - exp(-loss). In float16 it would vanish where the model is sure.
    """
    if dtype != torch.float16:
        return torch.ones_like(loss)
    return torch.where(loss > 0, -torch.expm1(-loss), SURE)
