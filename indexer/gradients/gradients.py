"""Per-instance gradients of the loss, taken without ever holding a weight gradient of the whole model.

Letters: B instances, T tokens, C labels, h hidden size, d stored dimensions, o and i outputs and inputs of a linear layer.
"""

import math
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from attridex.indexer.config import GradientsConfig
from attridex.indexer.curvature.kfac import FactorSums
from attridex.indexer.errors import InputError, nearest
from attridex.indexer.gradients.projection import BlockProjection, global_projection, kronecker_sides, side_projected
from attridex.indexer.index.layout import Block
from attridex.indexer.models.adapters import captured_factors, factor_layers
from attridex.indexer.models.architectures import Architecture, linear_shape
from attridex.indexer.models.hooks import captured_linear, differentiable_inputs
from attridex.indexer.models.objectives import InstanceBatch, Objective, Reading
from attridex.indexer.models.token_loss import SURE

LabelSource = Literal["gold", "predicted"]
Capture = Callable[[Callable[[str, Tensor], Tensor], Callable[[str, Tensor, Tensor], None]], AbstractContextManager[None]]
"""Shows layers' inputs and output gradients while it is open; see `capture.captured_linear`."""


@dataclass(frozen=True)
class Pass:
    """What one pass over a batch gives: the task's reading, and the stored vectors [B, d]."""

    reading: Reading
    gradients: Tensor


class Gradients(Protocol):
    """Takes the stored vector P g(x) of each instance of a batch."""

    dim: int
    blocks: list[Block]

    def take(self, batch: InstanceBatch, factors: FactorSums | None = None) -> Pass:
        """One pass over a batch; `factors` is where K-FAC's are summed, while an index is built."""
        ...


def make_gradients(arch: Architecture, objective: Objective, config: GradientsConfig) -> Gradients:
    """The way to take gradients that a configuration asks for."""
    kind = config.resolved_projection
    if config.parameters == "head":
        return HeadGradients(arch, objective, kind, config.dim, config.seed)
    if config.parameters == "adapter":
        layers = adapter_layers(arch)
        capture: Capture = partial(captured_factors, arch.model, arch.adapter)
    else:
        layers = layers_in_scope(arch, config.parameters)
        capture = partial(captured_linear, layers)
    return LayerGradients(arch, objective, capture, make_sketch(layers, kind, config.dim, config.seed))


def make_sketch(layers: dict[str, nn.Module], kind: str, dim: int, seed: int) -> "Sketch":
    """What is kept of the layers' gradients under a projection."""
    if kind == "none":
        return FullSketch(layers)
    return KroneckerSketch(layers, dim, seed) if kind == "kronecker" else GlobalSketch(layers, kind, dim, seed)


def layers_in_scope(arch: Architecture, scope: str) -> dict[str, nn.Module]:
    """The linear layers of a parameter scope: "linear", "mlp", or a regular expression over their names.

    Raises:
        InputError: not a regular expression, or it fits no linear layer.
    """
    if scope == "linear":
        return arch.linear_layers()
    if scope == "mlp":
        return arch.ffn_layers()
    try:
        pattern = re.compile(scope)
    except re.error as error:
        raise InputError(
            f'gradients.parameters = "{scope}": not "head", "mlp", "linear" or a regular expression ({error})'
        ) from None
    layers = {name: module for name, module in arch.linear_layers().items() if pattern.search(name)}
    if not layers:
        raise InputError(
            f'gradients.parameters = "{scope}" fits no linear layer; {nearest(scope, ["head", "mlp", "linear"])}; '
            f"layers have names such as {next(reversed(arch.linear_layers()))}"
        )
    return layers


def adapter_layers(arch: Architecture) -> dict[str, nn.Module]:
    """The LoRA weights of the model's adapter, by name.

    Raises:
        InputError: one adapts a language model's output layer, whose gradients are not taken.
    """
    embedding = getattr(arch.model, "get_output_embeddings", lambda: None)()
    for name in arch.adapter:
        if arch.model.get_submodule(name) is embedding:
            raise InputError(
                f'gradients.parameters = "adapter": the adapter adapts {name}, the output layer, whose gradients are not taken; '
                'use "linear" or "mlp", gradients of the merged model'
            )
    return factor_layers(arch.adapter)


class HeadGradients:
    """Gradient of the head's weight, from one forward pass: (p - y) outer h, summed over the states that the head reads."""

    def __init__(self, arch: Architecture, objective: Objective, projection: str, dim: int, seed: int) -> None:
        """`dim` is the stored size where there is a projection."""
        self._arch, self._objective = arch, objective
        shape = (arch.outputs, arch.hidden)
        self._sides = kronecker_sides("head", shape, dim, seed) if projection == "kronecker" else None
        one_sided = projection in ("none", "kronecker")
        self._global = None if one_sided else global_projection(projection, math.prod(shape), dim, seed, "head")
        if self._global:
            shape = (1, dim)
        elif self._sides:
            shape = (self._sides.rows, self._sides.columns)
        self.blocks = consecutive_blocks({"head": shape})
        self.dim = self.blocks[-1].stop

    @torch.no_grad()
    def take(self, batch: InstanceBatch, factors: FactorSums | None = None) -> Pass:
        """One forward pass; see `Gradients.take`."""
        reading = self._objective.read(self._arch, final_states(self._arch, batch), batch)
        if reading.errors is None or reading.inputs is None:
            raise TypeError("this task has no head of its own")
        return Pass(reading, self._project(reading.errors, reading.inputs, factors))

    def _project(self, errors: Tensor, inputs: Tensor, factors: FactorSums | None) -> Tensor:
        """Stored vectors [B, d] from the loss's gradient in the head's outputs [B, J, O] and its inputs [B, J, h]."""
        if self._sides:
            outer, inner = self._sides.outer, self._sides.inner
            errors, inputs = side_projected(errors, outer), side_projected(inputs, inner)
        if factors:
            factors.add("head", inputs, errors, torch.ones(inputs.shape[:2]))
        full = torch.einsum("bjo,bji->boi", errors, inputs).flatten(1)
        return self._global(full) if self._global else full


class Sketch(Protocol):
    """Turns a layer's inputs a [B, T, i] and output gradients delta [B, T, o] into its part of the stored vector."""

    dim: int
    blocks: list[Block]

    def keep(self, name: str, a: Tensor) -> Tensor:
        """What is kept of the input until the backward pass."""
        ...

    def project(self, name: str, delta: Tensor) -> Tensor:
        """P_out delta, or delta itself."""
        ...

    def add(self, name: str, kept: Tensor, rows: Tensor, out: Tensor) -> None:
        """Add the layer's part to `out` [B, d], from what `keep` and `project` gave."""
        ...


def consecutive_blocks(shapes: dict[str, tuple[int, int]]) -> list[Block]:
    """Blocks one after the other."""
    blocks: list[Block] = []
    for name, (rows, columns) in shapes.items():
        start = blocks[-1].stop if blocks else 0
        blocks.append(Block(name=name, start=start, stop=start + rows * columns, rows=rows, columns=columns))
    return blocks


def outer_sums(rows: Tensor, kept: Tensor) -> Tensor:
    """Sum over t of rows_t outer kept_t, flattened [B, o * i]; in float32, since a float16 sum may overflow."""
    return torch.einsum("bto,bti->boi", rows.float(), kept.float()).flatten(1)


class FullSketch:
    """The gradients themselves, flattened as [o, i], layer after layer."""

    def __init__(self, layers: dict[str, nn.Module]) -> None:
        """Blocks in the order of the layers."""
        self.blocks = consecutive_blocks({name: linear_shape(module) for name, module in layers.items()})
        self.dim = self.blocks[-1].stop
        self._at = {block.name: slice(block.start, block.stop) for block in self.blocks}

    def keep(self, name: str, a: Tensor) -> Tensor:
        """The input itself."""
        return a

    def project(self, name: str, delta: Tensor) -> Tensor:
        """The output gradient itself."""
        return delta

    def add(self, name: str, kept: Tensor, rows: Tensor, out: Tensor) -> None:
        """G = sum over t of delta_t outer a_t."""
        out[:, self._at[name]] = outer_sums(rows, kept)


class KroneckerSketch:
    """(P_out delta_t) outer (P_in a_t), summed over t: the full gradient is never formed (LoGra, arXiv 2405.13954)."""

    def __init__(self, layers: dict[str, nn.Module], dim: int, seed: int) -> None:
        """Share `dim` among the layers.

        Raises:
            InputError: fewer dimensions than layers.
        """
        if dim < len(layers):
            raise InputError(
                f"gradients.dim = {dim}: fewer than one for each of {len(layers)} layers; use at least {len(layers)}"
            )
        budget = dim // len(layers)
        shapes = {name: linear_shape(module) for name, module in layers.items()}
        self._sides = {name: kronecker_sides(name, shape, budget, seed) for name, shape in shapes.items()}
        self.blocks = consecutive_blocks({name: (side.rows, side.columns) for name, side in self._sides.items()})
        self.dim = self.blocks[-1].stop
        self._at = {block.name: slice(block.start, block.stop) for block in self.blocks}

    def keep(self, name: str, a: Tensor) -> Tensor:
        """P_in a."""
        return side_projected(a, self._sides[name].inner)

    def project(self, name: str, delta: Tensor) -> Tensor:
        """P_out delta."""
        return side_projected(delta, self._sides[name].outer)

    def add(self, name: str, kept: Tensor, rows: Tensor, out: Tensor) -> None:
        """The layer's ko x ki numbers."""
        out[:, self._at[name]] = outer_sums(rows, kept)


class GlobalSketch:
    """One projection of the whole gradient: each layer's image is added into the same d numbers."""

    def __init__(self, layers: dict[str, nn.Module], kind: str, dim: int, seed: int) -> None:
        """`kind` is sjlt, gaussian or rademacher."""
        self.dim = dim
        self.blocks = consecutive_blocks({"all": (1, dim)})
        self._maps: dict[str, BlockProjection] = {}
        for name, module in layers.items():
            rows, columns = linear_shape(module)
            self._maps[name] = global_projection(kind, rows * columns, dim, seed, name)

    def keep(self, name: str, a: Tensor) -> Tensor:
        """The input itself."""
        return a

    def project(self, name: str, delta: Tensor) -> Tensor:
        """The output gradient itself."""
        return delta

    def add(self, name: str, kept: Tensor, rows: Tensor, out: Tensor) -> None:
        """Project the layer's gradient and add it."""
        out += self._maps[name](outer_sums(rows, kept))


class LayerGradients:
    """Gradients of linear layers inside the model: one forward, one backward to activations, no weight gradients."""

    def __init__(self, arch: Architecture, objective: Objective, capture: Capture, sketch: Sketch) -> None:
        """`capture` shows the sketch's layers."""
        self._arch, self._objective = arch, objective
        self._capture = capture
        self._sketch = sketch
        self.dim, self.blocks = sketch.dim, sketch.blocks

    def take(self, batch: InstanceBatch, factors: FactorSums | None = None) -> Pass:
        """One forward and backward pass; see `Gradients.take`. The sequences of an instance count as one."""
        out = torch.zeros(batch.size, self.dim, device=batch.labels.device)

        def on_input(name: str, a: Tensor) -> Tensor:
            return self._sketch.keep(name, a.reshape(batch.size, -1, a.shape[-1]))

        def on_gradient(name: str, kept: Tensor, delta: Tensor) -> None:
            rows = self._sketch.project(name, delta.reshape(batch.size, -1, delta.shape[-1]))
            self._sketch.add(name, kept, rows, out)
            if factors:
                whole = rows.shape[:2].numel() == batch.tokens.mask.numel()
                mask = batch.tokens.mask if whole else torch.ones(rows.shape[:2])  # an encoder's pooler reads one state
                factors.add(name, kept, rows, mask)

        with differentiable_inputs(self._arch), self._capture(on_input, on_gradient):
            reading = self._objective.read(self._arch, final_states(self._arch, batch), batch)
            size = backward_size(reading.loss.detach(), next(self._arch.model.parameters()).dtype)
            (reading.loss / size).sum().backward()
        return Pass(reading, out * size[:, None])


def backward_size(loss: Tensor, dtype: torch.dtype) -> Tensor:
    """What each instance's loss [B] is divided by on its way back, and its gradient multiplied by: 1 but for float16 models.

    The gradient of a loss in the logits is at most 1 - exp(-loss). In float16 it would vanish where the model is sure.
    """
    if dtype != torch.float16:
        return torch.ones_like(loss)
    return torch.where(loss > 0, -torch.expm1(-loss), SURE)


def final_states(arch: Architecture, batch: InstanceBatch) -> Tensor:
    """The body's final states [S, T, h]."""
    states: Tensor = arch.body(batch.tokens.ids, attention_mask=batch.tokens.mask, **no_cache(arch)).last_hidden_state
    return states


def no_cache(arch: Architecture) -> dict[str, bool]:
    """Arguments that keep a causal body from filling a cache."""
    return {"use_cache": False} if arch.causal else {}
