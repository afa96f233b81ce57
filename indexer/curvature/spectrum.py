"""A curvature as its eigendecomposition: any function of it is one cheap transform of a vector.

Letters: q rows, d stored dimensions, k of them in a block, o and i outputs and inputs of a layer in the stored space.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from attridex.indexer.array_types import Doubles
from attridex.indexer.curvature.tensors import left_name, right_name, values_name, vectors_name
from attridex.indexer.index.records import Block
from attridex.indexer.sections import FACTORED

PANEL_BYTES = 1 << 21
"""Part of a matrix by which all vectors are multiplied while it is in the cache."""

Filter = Callable[[Float64[Doubles, "..."]], Float64[Doubles, "..."]]
"""What each eigenvalue is replaced by."""


@dataclass(frozen=True)
class DenseBlock:
    """Q diag(values) Q^T over a stretch of the stored vector."""

    at: slice
    values: Float64[Doubles, " k"]
    vectors: Float64[Doubles, "k k"]

    def rotate(self, x: Float64[Doubles, "q k"]) -> Float64[Doubles, "q k"]:
        """Rows in the eigenbasis."""
        return x @ self.vectors

    def apply(self, x: Float64[Doubles, "q k"], values: Float64[Doubles, " k"]) -> Float64[Doubles, "q k"]:
        """Q diag(values) Q^T x for each row x, whose last bits no other row changes.

        One product of all rows would be in an order that depends on how many there are.
        """
        turned, out = np.zeros_like(x), np.empty_like(x)
        step = max(1, PANEL_BYTES // self.vectors[0].nbytes)
        panels = [slice(start, start + step) for start in range(0, len(self.vectors), step)]
        for panel in panels:
            turned += np.matmul(x[:, None, panel], self.vectors[panel])[:, 0]
        turned *= values
        for panel in panels:
            out[:, panel] = np.matmul(turned[:, None], self.vectors[panel].T)[:, 0]
        return out


@dataclass(frozen=True)
class KroneckerBlock:
    """(left kron right) diag(values) (left kron right)^T."""

    at: slice
    values: Float64[Doubles, "o i"]
    left: Float64[Doubles, "o o"]
    right: Float64[Doubles, "i i"]

    def rotate(self, x: Float64[Doubles, "q k"]) -> Float64[Doubles, "q o i"]:
        """Rows in the eigenbasis; k is o i."""
        return np.asarray(self.left.T @ x.reshape(len(x), *self.values.shape) @ self.right)

    def apply(self, x: Float64[Doubles, "q k"], values: Float64[Doubles, "o i"]) -> Float64[Doubles, "q k"]:
        """(left kron right) diag(values) (left kron right)^T x for each row x; NumPy makes each row's products by themselves."""
        return np.asarray(self.left @ (self.rotate(x) * values) @ self.right.T).reshape(len(x), -1)


class Spectrum:
    """H, block by block."""

    def __init__(self, blocks: Sequence[DenseBlock | KroneckerBlock]) -> None:
        """Blocks that cover the stored vector."""
        self.blocks = list(blocks)

    @classmethod
    def read(cls, tensors: Mapping[str, Doubles], kind: str, layers: Sequence[Block], dim: int) -> "Spectrum":
        """The spectrum of a curvature from its tensors.

        Args:
            tensors: by name, see `curvature.tensors`.
            kind: of the curvature.
            layers: blocks of the stored vector.
            dim: d.
        """
        spans = [slice(block.start, block.stop) for block in layers] if kind in ("fisher", "kfac", "ekfac") else [slice(0, dim)]
        values = [tensors[values_name(kind, number)] for number in range(len(spans))]
        if kind in FACTORED:
            sides = ((tensors[left_name(number)], tensors[right_name(number)]) for number in range(len(spans)))
            return cls([KroneckerBlock(at, own, *pair) for at, own, pair in zip(spans, values, sides, strict=True)])
        vectors = (tensors[vectors_name(kind, number)] for number in range(len(spans)))
        return cls([DenseBlock(*parts) for parts in zip(spans, values, vectors, strict=True)])

    @property
    def mean(self) -> float:
        """Mean eigenvalue."""
        return sum(float(block.values.sum()) for block in self.blocks) / sum(block.values.size for block in self.blocks)

    @property
    def largest(self) -> float:
        """Largest eigenvalue."""
        return max(float(block.values.max(initial=0.0)) for block in self.blocks)

    @property
    def damping(self) -> float:
        """The default damping: a tenth of the mean eigenvalue (Grosse et al., arXiv 2308.03296, section 3.2)."""
        return 0.1 * self.mean or 1.0

    def apply(self, vectors: Float64[Doubles, "q d"], change: Filter) -> Float64[Doubles, "q d"]:
        """f(H) x for each row x; to the bit the same whatever rows are beside it."""
        out = np.zeros_like(vectors)
        for block in self.blocks:
            out[:, block.at] = block.apply(vectors[:, block.at], change(block.values))
        return out

    def quadratic(self, vectors: Float64[Doubles, "q d"], change: Filter) -> Float64[Doubles, " q"]:
        """x^T f(H) x for each row x."""
        total = np.zeros(len(vectors))
        for block in self.blocks:
            total += (block.rotate(vectors[:, block.at]) ** 2 * change(block.values)).reshape(len(vectors), -1).sum(1)
        return total


def inverse(damping: float) -> Filter:
    """1 / (value + damping)."""
    return lambda values: 1.0 / (values + damping)


def lissa(damping: float, scale: float, depth: int) -> Filter:
    """What `depth` steps of LiSSA make of H, divided by `scale`: v <- g + (1 - damping) v - H v / scale, from v = g.

    The sum of r^j, j = 0 to depth, with r = 1 - damping - value / scale; its limit is 1 / (value + scale * damping).
    """

    def change(values: Float64[Doubles, "..."]) -> Float64[Doubles, "..."]:
        rest = damping + values / scale
        left = 1 - (1 - rest) ** (depth + 1)
        # Where nothing is lost in a step (rest = 0), the sum is the number of its terms.
        return np.where(rest > 0, left / np.where(rest > 0, rest, 1), depth + 1.0) / scale

    return change


def lissa_fits(spectrum: Spectrum, damping: float, scale: float) -> bool:
    """Whether LiSSA's recursion converges: |1 - damping - value / scale| below 1 for the largest eigenvalue."""
    return damping + spectrum.largest / scale < 2
