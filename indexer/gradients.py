"""Per-instance gradients of the loss, taken without ever holding a weight gradient of the whole model.

Letters: B instances, T tokens, C labels, h hidden size, d stored dimensions, o and i outputs and inputs of a linear layer.
"""

import re
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attridex.indexer.architectures import Architecture, linear_shape
from attridex.indexer.batches import TokenBatch
from attridex.indexer.capture import captured_linear, differentiable_inputs
from attridex.indexer.config import GradientsConfig
from attridex.indexer.errors import InputError, nearest
from attridex.indexer.layout import Block
from attridex.indexer.projection import BlockProjection, global_projection, kronecker_sides

LabelSource = Literal["gold", "predicted"]
NO_LABEL = -1
"""Stands for "the predicted one" in a tensor of labels."""


@dataclass(frozen=True)
class Pass:
    """What one pass over a batch gives.

    Attributes:
        logits: [B, C].
        hidden: state that the head reads, [B, h].
        labels: the label whose loss was taken, [B].
        loss: cross-entropy, [B].
        gradients: [B, d].
    """

    logits: Tensor
    hidden: Tensor
    labels: Tensor
    loss: Tensor
    gradients: Tensor | None


class Gradients(Protocol):
    """Takes the stored vector P g(x) of each instance of a batch."""

    dim: int
    blocks: list[Block]

    def take(self, batch: TokenBatch, labels: Tensor) -> Pass:
        """One pass; `labels` [B] holds output indices, or NO_LABEL for the predicted one."""
        ...


def make_gradients(arch: Architecture, config: GradientsConfig) -> Gradients:
    """The way to take gradients that a configuration asks for."""
    kind = config.resolved_projection
    if config.parameters == "head":
        return HeadGradients(arch, kind, config.dim, config.seed)
    layers = layers_in_scope(arch, config.parameters)
    if kind == "none":
        return LayerGradients(arch, layers, FullSketch(layers))
    if kind == "kronecker":
        return LayerGradients(arch, layers, KroneckerSketch(layers, config.dim, config.seed))
    return LayerGradients(arch, layers, GlobalSketch(layers, kind, config.dim, config.seed))


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


def chosen_labels(logits: Tensor, labels: Tensor) -> Tensor:
    """The given labels, and the predicted one where none is given."""
    return torch.where(labels == NO_LABEL, logits.argmax(1), labels)


class HeadGradients:
    """Gradient of the head's weight: exactly (p - y) outer h, from one forward pass."""

    def __init__(self, arch: Architecture, projection: str, dim: int, seed: int) -> None:
        """`dim` is the stored size where there is a projection."""
        self._arch = arch
        shape = (arch.outputs, arch.hidden)
        self._sides = kronecker_sides("head", shape, dim, seed) if projection == "kronecker" else None
        full = arch.outputs * arch.hidden
        one_sided = projection in ("none", "kronecker")
        self._global = None if one_sided else global_projection(projection, full, dim, seed, "head")
        self.dim = dim if self._global else self._sides.rows * self._sides.columns if self._sides else full
        self.blocks = [Block(name="head", start=0, stop=self.dim)]

    @torch.no_grad()
    def take(self, batch: TokenBatch, labels: Tensor) -> Pass:
        """One forward pass; see `Gradients.take`."""
        output = self._arch.body(batch.ids, attention_mask=batch.mask, **no_cache(self._arch))
        hidden = self._arch.hidden_states(output, batch.read(self._arch.causal))
        logits = self._arch.head(hidden)
        labels = chosen_labels(logits, labels)
        loss = F.cross_entropy(logits.float(), labels, reduction="none")
        error = logits.float().softmax(1) - F.one_hot(labels, logits.shape[1])
        return Pass(logits, hidden, labels, loss, self.project(error, hidden.float()))

    def project(self, error: Tensor, hidden: Tensor) -> Tensor:
        """Stored vectors [B, d] from p - y [B, C] and h [B, h]."""
        if self._sides:
            outer, inner = self._sides.outer, self._sides.inner
            error = error if outer is None else error @ outer.T.to(error)
            hidden = hidden if inner is None else hidden @ inner.T.to(hidden)
        full = torch.einsum("bo,bi->boi", error, hidden).flatten(1)
        return self._global(full) if self._global else full


class Sketch(Protocol):
    """Turns a layer's inputs a [B, T, i] and output gradients delta [B, T, o] into its part of the stored vector."""

    dim: int
    blocks: list[Block]

    def keep(self, name: str, a: Tensor) -> Tensor:
        """What is kept of the input until the backward pass."""
        ...

    def add(self, name: str, kept: Tensor, delta: Tensor, out: Tensor) -> None:
        """Add the layer's part to `out` [B, d]."""
        ...


def consecutive_blocks(sizes: dict[str, int]) -> list[Block]:
    """Blocks one after the other."""
    blocks: list[Block] = []
    for name, size in sizes.items():
        start = blocks[-1].stop if blocks else 0
        blocks.append(Block(name=name, start=start, stop=start + size))
    return blocks


class FullSketch:
    """The gradients themselves, flattened as [o, i], layer after layer."""

    def __init__(self, layers: dict[str, nn.Module]) -> None:
        """Blocks in the order of the layers."""
        shapes = {name: linear_shape(module) for name, module in layers.items()}
        self.blocks = consecutive_blocks({name: rows * columns for name, (rows, columns) in shapes.items()})
        self.dim = self.blocks[-1].stop
        self._at = {block.name: slice(block.start, block.stop) for block in self.blocks}

    def keep(self, name: str, a: Tensor) -> Tensor:
        """The input itself."""
        return a

    def add(self, name: str, kept: Tensor, delta: Tensor, out: Tensor) -> None:
        """G = sum over t of delta_t outer a_t."""
        out[:, self._at[name]] = torch.einsum("bto,bti->boi", delta, kept).flatten(1).float()


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
        self.blocks = consecutive_blocks({name: side.rows * side.columns for name, side in self._sides.items()})
        self.dim = self.blocks[-1].stop
        self._at = {block.name: slice(block.start, block.stop) for block in self.blocks}

    def keep(self, name: str, a: Tensor) -> Tensor:
        """P_in a."""
        inner = self._sides[name].inner
        return a if inner is None else a @ inner.T.to(a)

    def add(self, name: str, kept: Tensor, delta: Tensor, out: Tensor) -> None:
        """The layer's ko x ki numbers."""
        outer = self._sides[name].outer
        rows = delta if outer is None else delta @ outer.T.to(delta)
        out[:, self._at[name]] = torch.einsum("bto,bti->boi", rows, kept).flatten(1).float()


class GlobalSketch:
    """One projection of the whole gradient: each layer's image is added into the same d numbers."""

    def __init__(self, layers: dict[str, nn.Module], kind: str, dim: int, seed: int) -> None:
        """`kind` is sjlt, gaussian or rademacher."""
        self.dim = dim
        self.blocks = [Block(name="all", start=0, stop=dim)]
        self._maps: dict[str, BlockProjection] = {}
        for name, module in layers.items():
            rows, columns = linear_shape(module)
            self._maps[name] = global_projection(kind, rows * columns, dim, seed, name)

    def keep(self, name: str, a: Tensor) -> Tensor:
        """The input itself."""
        return a

    def add(self, name: str, kept: Tensor, delta: Tensor, out: Tensor) -> None:
        """Project the layer's gradient and add it."""
        out += self._maps[name](torch.einsum("bto,bti->boi", delta, kept).flatten(1).float())


class LayerGradients:
    """Gradients of linear layers inside the model: one forward, one backward to activations, no weight gradients."""

    def __init__(self, arch: Architecture, layers: dict[str, nn.Module], sketch: Sketch) -> None:
        """`layers` by name, in the order of the sketch's blocks."""
        self._arch = arch
        self._layers = layers
        self._sketch = sketch
        self.dim, self.blocks = sketch.dim, sketch.blocks

    def take(self, batch: TokenBatch, labels: Tensor) -> Pass:
        """One forward and backward pass; see `Gradients.take`."""
        size = len(batch.ids)
        out = torch.zeros(size, self.dim, device=batch.ids.device)

        def on_input(name: str, a: Tensor) -> Tensor:
            return self._sketch.keep(name, a.reshape(size, -1, a.shape[-1]))

        def on_gradient(name: str, kept: Tensor, delta: Tensor) -> None:
            self._sketch.add(name, kept, delta.reshape(size, -1, delta.shape[-1]), out)

        with differentiable_inputs(self._arch), captured_linear(self._layers, on_input, on_gradient):
            output = self._arch.body(batch.ids, attention_mask=batch.mask, **no_cache(self._arch))
            hidden = self._arch.hidden_states(output, batch.read(self._arch.causal))
            logits = self._arch.head(hidden)
            labels = chosen_labels(logits.detach(), labels)
            loss = F.cross_entropy(logits.float(), labels, reduction="none")
            loss.sum().backward()
        return Pass(logits.detach(), hidden.detach(), labels, loss.detach(), out)


def no_cache(arch: Architecture) -> dict[str, bool]:
    """Arguments that keep a causal body from filling a cache."""
    return {"use_cache": False} if arch.causal else {}
