"""What is kept of linear layers' gradients: all of it, or its image under a projection, without ever forming a whole gradient.

Letters: B instances, T tokens, d stored dimensions, o and i outputs and inputs of a linear layer, ko and ki what is kept of them.
"""

from collections.abc import Mapping
from math import prod
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attridex.indexer.config import GradientsConfig
from attridex.indexer.errors import InputError
from attridex.indexer.gradients.projection import (
    BlockProjection,
    KroneckerSides,
    global_projection,
    kronecker_sides,
)
from attridex.indexer.index.records import Block
from attridex.indexer.structure.parts import LinearLayer, linear_shape

Experts = Int[Tensor, "B T"] | None
"""The expert of each row of fused experts."""


@runtime_checkable
class Sketch(Protocol):
    """Turns a layer's inputs a and output gradients delta into its part of the stored vector."""

    dim: int
    blocks: list[Block]

    def keep(self, name: str, a: Float[Tensor, "B T i"]) -> Float[Tensor, "B T ki"]:
        """What is kept of the input until the backward pass."""

    def project(self, name: str, delta: Float[Tensor, "B T o"], experts: Experts = None) -> Float[Tensor, "B T ko"]:
        """P_out delta, or delta itself; of fused experts delta stands among the outputs of all of them."""

    def add(self, name: str, kept: Float[Tensor, "B T ki"], rows: Float[Tensor, "B T ko"], out: Float[Tensor, "B d"]) -> None:
        """Add a layer's part to the stored vectors.

        Args:
            name: of the layer.
            kept: what `keep` gave.
            rows: what `project` gave.
            out: the stored vectors.
        """


def consecutive_blocks(shapes: dict[str, tuple[int, int]]) -> list[Block]:
    """Blocks one after the other."""
    blocks: list[Block] = []
    for name, (rows, columns) in shapes.items():
        start = blocks[-1].stop if blocks else 0
        blocks.append(Block(name=name, start=start, stop=start + rows * columns, rows=rows, columns=columns))
    return blocks


def outer_sums(rows: Float[Tensor, "B T ko"], kept: Float[Tensor, "B T ki"]) -> Float[Tensor, "B ko*ki"]:
    """Sum over t of rows_t outer kept_t, flattened; in float32, since a float16 sum may overflow."""
    return torch.einsum("bto,bti->boi", rows.float(), kept.float()).flatten(1)


class LayerSketch:
    """Layer after layer, (P_out delta_t) outer (P_in a_t) summed over t: never a whole gradient (LoGra, arXiv 2405.13954).

    Where both sides of a layer are kept whole, that is its gradient itself, flattened as [o, i].
    """

    def __init__(self, sides: dict[str, KroneckerSides]) -> None:
        """The projection of each layer by its name, in the order of the layers."""
        self._sides = sides
        self.blocks = consecutive_blocks({name: (side.rows, side.columns) for name, side in sides.items()})
        self.dim = self.blocks[-1].stop
        self._at = {block.name: slice(block.start, block.stop) for block in self.blocks}

    def keep(self, name: str, a: Float[Tensor, "B T i"]) -> Float[Tensor, "B T ki"]:
        """P_in a."""
        inner = self._sides[name].inner
        return inner(a) if inner else a

    def project(self, name: str, delta: Float[Tensor, "B T o"], experts: Experts = None) -> Float[Tensor, "B T ko"]:
        """P_out delta."""
        side = self._sides[name]
        if experts is not None:
            whole, outer = side.rows, side.outer
            return expert_projected(delta, experts, outer.matrix) if outer else among_experts(delta, experts, whole)
        return side.outer(delta) if side.outer else delta

    def add(self, name: str, kept: Float[Tensor, "B T ki"], rows: Float[Tensor, "B T ko"], out: Float[Tensor, "B d"]) -> None:
        """The layer's ko x ki numbers; see `Sketch.add`.

        Args:
            name: of the layer.
            kept: P_in a.
            rows: P_out delta.
            out: where they are put.
        """
        out[:, self._at[name]] += outer_sums(rows, kept)  # a layer that is called more than once has the sum


class GlobalSketch:
    """One projection of the whole gradient: each layer's image is added into the same d numbers."""

    def __init__(self, maps: dict[str, BlockProjection], outputs: dict[str, int], dim: int, whole: str) -> None:
        """Prepare to project.

        Args:
            maps: the projection of each layer by its name.
            outputs: how many each layer has.
            dim: d.
            whole: name of the one block.
        """
        self.dim, self._outputs = dim, outputs
        self.blocks = consecutive_blocks({whole: (1, dim)})
        self._maps = maps

    def keep(self, name: str, a: Float[Tensor, "B T i"]) -> Float[Tensor, "B T ki"]:
        """The input itself."""
        return a

    def project(self, name: str, delta: Float[Tensor, "B T o"], experts: Experts = None) -> Float[Tensor, "B T ko"]:
        """The output gradient itself."""
        return delta if experts is None else among_experts(delta, experts, self._outputs[name])

    def add(self, name: str, kept: Float[Tensor, "B T ki"], rows: Float[Tensor, "B T ko"], out: Float[Tensor, "B d"]) -> None:
        """Project the layer's gradient and add it; see `Sketch.add`.

        Args:
            name: of the layer.
            kept: a.
            rows: delta.
            out: where it is added.
        """
        out += self._maps[name](outer_sums(rows, kept))


def among_experts(delta: Float[Tensor, "B T o"], experts: Int[Tensor, "B T"], outputs: int) -> Float[Tensor, "B T outputs"]:
    """Output gradients of fused experts among the outputs of all of them; 0 elsewhere."""
    size = delta.shape[-1]
    whole = delta.new_zeros(*delta.shape[:2], outputs // size, size)
    return whole.scatter(2, experts[..., None, None].expand(*experts.shape, 1, size), delta[:, :, None]).flatten(2)


def expert_projected(
    delta: Float[Tensor, "B T o"], experts: Int[Tensor, "B T"], side: Float[Tensor, "ko outputs"]
) -> Float[Tensor, "B T ko"]:
    """The same, projected: each row sees the columns of its own expert."""
    columns = side.to(delta).reshape(len(side), -1, delta.shape[-1])
    found = delta.new_zeros(*delta.shape[:2], len(side))
    for expert in experts.unique().tolist():
        found[experts == expert] = delta[experts == expert] @ columns[:, expert].T
    return found


def make_sketch(layers: Mapping[str, LinearLayer], config: GradientsConfig, whole: str = "all") -> Sketch:
    """What is kept of the layers' gradients; `whole` names the block of a projection of all of them together.

    Raises:
        InputError: fewer dimensions than layers.
    """
    kind, dim, seed = config.resolved_projection, config.dim, config.seed
    shapes = {name: linear_shape(module) for name, module in layers.items()}
    if kind == "none":
        return LayerSketch({name: KroneckerSides(None, None, *shape) for name, shape in shapes.items()})
    if kind != "kronecker":
        maps = {name: global_projection(kind, prod(shapes[name]), dim, seed, name) for name in shapes}
        return GlobalSketch(maps, {name: rows for name, (rows, _) in shapes.items()}, dim, whole)
    if dim < len(layers):
        raise InputError(f"gradients.dim = {dim}: fewer than one for each of {len(layers)} layers; use at least {len(layers)}")
    return LayerSketch({name: kronecker_sides(name, shape, dim // len(layers), seed) for name, shape in shapes.items()})
