"""What is kept of linear layers' gradients: all of it, or its image under a projection, without ever forming a whole gradient.

Letters: B instances, T tokens, d stored dimensions, o and i outputs and inputs of a linear layer, ko and ki what is kept of them.
"""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attridex.indexer.errors import InputError
from attridex.indexer.gradients.projection import BlockProjection, global_projection, kronecker_sides, side_projected
from attridex.indexer.index.records import Block
from attridex.indexer.models.architectures import linear_shape


@runtime_checkable
class Sketch(Protocol):
    """Turns a layer's inputs a and output gradients delta into its part of the stored vector."""

    dim: int
    blocks: list[Block]

    def keep(self, name: str, a: Float[Tensor, "B T i"]) -> Float[Tensor, "B T ki"]:
        """What is kept of the input until the backward pass."""
        ...

    def project(self, name: str, delta: Float[Tensor, "B T o"]) -> Float[Tensor, "B T ko"]:
        """P_out delta, or delta itself."""
        ...

    def add(self, name: str, kept: Float[Tensor, "B T ki"], rows: Float[Tensor, "B T ko"], out: Float[Tensor, "B d"]) -> None:
        """Add the layer's part to `out`, from what `keep` and `project` gave."""
        ...


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


class FullSketch:
    """The gradients themselves, flattened as [o, i], layer after layer."""

    def __init__(self, layers: dict[str, nn.Module]) -> None:
        """Blocks in the order of the layers."""
        self.blocks = consecutive_blocks({name: linear_shape(module) for name, module in layers.items()})
        self.dim = self.blocks[-1].stop
        self._at = {block.name: slice(block.start, block.stop) for block in self.blocks}

    def keep(self, name: str, a: Float[Tensor, "B T i"]) -> Float[Tensor, "B T ki"]:
        """The input itself."""
        return a

    def project(self, name: str, delta: Float[Tensor, "B T o"]) -> Float[Tensor, "B T ko"]:
        """The output gradient itself."""
        return delta

    def add(self, name: str, kept: Float[Tensor, "B T ki"], rows: Float[Tensor, "B T ko"], out: Float[Tensor, "B d"]) -> None:
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

    def keep(self, name: str, a: Float[Tensor, "B T i"]) -> Float[Tensor, "B T ki"]:
        """P_in a."""
        return side_projected(a, self._sides[name].inner)

    def project(self, name: str, delta: Float[Tensor, "B T o"]) -> Float[Tensor, "B T ko"]:
        """P_out delta."""
        return side_projected(delta, self._sides[name].outer)

    def add(self, name: str, kept: Float[Tensor, "B T ki"], rows: Float[Tensor, "B T ko"], out: Float[Tensor, "B d"]) -> None:
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

    def keep(self, name: str, a: Float[Tensor, "B T i"]) -> Float[Tensor, "B T ki"]:
        """The input itself."""
        return a

    def project(self, name: str, delta: Float[Tensor, "B T o"]) -> Float[Tensor, "B T ko"]:
        """The output gradient itself."""
        return delta

    def add(self, name: str, kept: Float[Tensor, "B T ki"], rows: Float[Tensor, "B T ko"], out: Float[Tensor, "B d"]) -> None:
        """Project the layer's gradient and add it."""
        out += self._maps[name](outer_sums(rows, kept))


def make_sketch(layers: dict[str, nn.Module], kind: str, dim: int, seed: int) -> Sketch:
    """What is kept of the layers' gradients under a projection."""
    if kind == "none":
        return FullSketch(layers)
    return KroneckerSketch(layers, dim, seed) if kind == "kronecker" else GlobalSketch(layers, kind, dim, seed)
