"""Seeded random projections with E[P^T P] = I: the same seed gives the same projection on every machine.

Letters: B instances, T tokens, n inputs and k outputs of a projection.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from attridex.indexer.randomness import normals, philox, signs

TILE = 16
"""Rows that a matrix product works on at once."""
CHUNK = 1 << 22
"""Entries of a dense projection that are made at a time."""
KEPT_BYTES = 1 << 28
"""Dense projections up to this size are kept between batches; larger ones are made anew for each."""


@runtime_checkable
class BlockProjection(Protocol):
    """A linear map from a block's n entries to `dim`, k."""

    dim: int

    def __call__(self, x: Float[Tensor, "B n"]) -> Float[Tensor, "B k"]:
        """Project rows."""


class DenseProjection:
    """P with independent entries of variance 1/dim: gaussian, or signs (Achlioptas, 2003)."""

    def __init__(self, kind: str, size: int, dim: int, seed: int, name: str) -> None:
        """The projection of one block.

        Args:
            kind: "gaussian", else signs.
            size: n.
            dim: k.
            seed: of the random numbers.
            name: of the block, whose numbers are its own.
        """
        self.dim, self._size, self._seed, self._name = dim, size, seed, name
        self._draw = normals if kind == "gaussian" else signs
        # A chunk begins at a multiple of 256 entries, as the generators ask.
        self._columns = max(256, CHUNK // dim // 256 * 256)
        self._kept = cache(self._placed) if size * dim * 4 <= KEPT_BYTES else self._placed

    def _chunk(self, start: int) -> Float[Tensor, "columns k"]:
        """Columns of P for the chunk of inputs that begins at `start`."""
        columns = min(self._columns, self._size - start)
        entries = self._draw(self._seed, self._name, columns * self.dim, start * self.dim)
        return torch.from_numpy(entries).reshape(columns, self.dim) / math.sqrt(self.dim)

    def _placed(self, start: int, device: torch.device, dtype: torch.dtype) -> Float[Tensor, "columns k"]:
        """The same where rows are projected."""
        return self._chunk(start).to(device, dtype)

    def __call__(self, x: Float[Tensor, "B n"]) -> Float[Tensor, "B k"]:
        """Project rows."""
        total = x.new_zeros(x.shape[0], self.dim)
        for start in range(0, self._size, self._columns):
            chunk = self._kept(start, x.device, x.dtype)
            total += x[:, start : start + len(chunk)] @ chunk
        return total


class SparseProjection:
    """SJLT with one entry of +-1 a column (CountSketch; Dasgupta, Kumar and Sarlos, 2010): cost is one addition an input."""

    def __init__(self, size: int, dim: int, seed: int, name: str) -> None:
        """The projection of one block.

        Args:
            size: n.
            dim: k.
            seed: of the random numbers.
            name: of the block, whose numbers are its own.
        """
        self.dim = dim
        words = philox(seed, name).random_raw(size)
        self._bucket = torch.from_numpy(((words >> np.uint64(1)) % np.uint64(dim)).astype(np.int64))
        self._sign = torch.from_numpy((words & np.uint64(1)).astype(np.float32) * 2 - 1)

    def __call__(self, x: Float[Tensor, "B n"]) -> Float[Tensor, "B k"]:
        """Project rows; buckets and signs lie on the device of what was projected last."""
        if (self._sign.device, self._sign.dtype) != (x.device, x.dtype):
            self._bucket, self._sign = self._bucket.to(x.device), self._sign.to(x.device, x.dtype)
        return x.new_zeros(x.shape[0], self.dim).index_add_(1, self._bucket, x * self._sign)


def global_projection(kind: str, size: int, dim: int, seed: int, name: str) -> BlockProjection:
    """The projection of one block into the space that all blocks share (their images are added).

    Args:
        kind: "sjlt", "gaussian" or "rademacher".
        size: n.
        dim: k.
        seed: of the random numbers.
        name: of the block, whose numbers are its own.
    """
    if kind == "sjlt":
        return SparseProjection(size, dim, seed, name)
    return DenseProjection(kind, size, dim, seed, name)


class Side:
    """P, the projection of one side of a layer's gradient; it lies on the device of what was projected last.

    It is filled up with zero rows to K, a multiple of TILE: on CPUs a product with ten rows takes half as long again as with
    sixteen.
    """

    def __init__(self, matrix: Float[Tensor, "k n"]) -> None:
        """`matrix` is P."""
        self.matrix = matrix
        self._whole = self._placed(matrix)

    def _placed(self, like: Tensor) -> Float[Tensor, "K n"]:
        """P, filled up, on the device and in the type of another tensor."""
        return F.pad(self.matrix, (0, 0, 0, -len(self.matrix) % TILE)).to(like)

    def __call__(self, x: Float[Tensor, "B T n"]) -> Float[Tensor, "B T k"]:
        """P x for every token of x; on a GPU in float32, whatever the type of x: what is summed over tokens is not rounded."""
        if (self._whole.dtype, self._whole.device) != (x.dtype, x.device):
            self._whole = self._placed(x)
        if x.is_cuda and x.dtype in (torch.float16, torch.bfloat16):
            found = torch.mm(x.reshape(-1, x.shape[-1]), self._whole.T, out_dtype=torch.float32).reshape(*x.shape[:-1], -1)
        else:
            found = x @ self._whole.T
        return found[..., : len(self.matrix)]


@dataclass(frozen=True)
class KroneckerSides:
    """P_out and P_in of one layer, None where a side is kept whole; `rows` and `columns` are what is kept, k of each."""

    outer: Side | None
    inner: Side | None
    rows: int
    columns: int


def kronecker_sides(name: str, shape: tuple[int, int], budget: int, seed: int) -> KroneckerSides:
    """The two-sided projection of a layer's gradient [out, in] to at most `budget` entries (LoGra, arXiv 2405.13954).

    Entries are signs over the square root of the side's size: E[P^T P] = I for each side, so for their product.

    Args:
        name: of the layer, whose signs are its own.
        shape: [out, in].
        budget: stored dimensions that it may have.
        seed: of the random signs.
    """
    rows, columns = kronecker_shape(shape, budget)

    def side(label: str, size: int, kept: int) -> Side | None:
        if kept == size:
            return None
        return Side(torch.from_numpy(signs(seed, f"{name}|{label}", kept * size)).reshape(kept, size) / math.sqrt(kept))

    return KroneckerSides(side("out", shape[0], rows), side("in", shape[1], columns), rows, columns)


def kronecker_shape(shape: tuple[int, int], budget: int) -> tuple[int, int]:
    """(ko, ki), as square as their product up to `budget` allows: both sides see the gradient equally well, at least cost."""
    side = math.isqrt(budget)
    rows = min(shape[0], side if shape[1] >= side else budget // shape[1])
    return max(1, rows), max(1, min(shape[1], budget // max(1, rows)))
