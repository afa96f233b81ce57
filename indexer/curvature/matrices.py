"""Curvature of the training loss, kept as an eigendecomposition so that any damping is one cheap transform of a query.

Letters: n instances, d stored dimensions, C labels, h hidden size, k rows of a matrix.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float32, Float64
from numpy.typing import NDArray

from attridex.indexer.curvature.tensors import Tensors, values_name, vectors_name
from attridex.indexer.errors import InputError
from attridex.indexer.index.records import Block

Singles = NDArray[np.float32]
Doubles = NDArray[np.float64]
Matrix = Float64[Doubles, "k k"]
LIMIT = 16_384
"""Largest block that is decomposed: d^2 float64 are 2 GiB there."""
CHUNK = 1024
"""Rows that are held in float64 at a time."""


def check_size(kinds: Iterable[str], blocks: Sequence[Block]) -> None:
    """Refuse a curvature that cannot be decomposed, before any work.

    Raises:
        InputError: a matrix would have more than LIMIT rows.
    """
    for kind in kinds:
        if kind in ("kfac", "ekfac"):
            sizes = {block.name: max(block.rows, block.columns) for block in blocks}
        elif kind == "fisher":
            sizes = {block.name: block.stop - block.start for block in blocks}
        else:
            sizes = {"all": blocks[-1].stop}
        name = max(sizes, key=sizes.__getitem__)
        if sizes[name] > LIMIT:
            raise InputError(
                f"gradients.curvature: '{kind}' of block '{name}' has {sizes[name]} rows, at most {LIMIT} can be decomposed; "
                'use projection = "kronecker" with a smaller dim'
            )


class Fisher:
    """Mean of g g^T over the training instances, block-diagonal in the stored space."""

    def __init__(self, blocks: list[Block]) -> None:
        """One matrix a block."""
        self._blocks = blocks
        self._sums = [np.zeros((block.stop - block.start,) * 2) for block in blocks]
        self._count = 0

    def add(self, gradients: Float32[Singles, "n d"]) -> None:
        """Add instances' stored vectors."""
        for start in range(0, len(gradients), CHUNK):
            rows = gradients[start : start + CHUNK].astype(np.float64)
            for block, total in zip(self._blocks, self._sums, strict=True):
                part = rows[:, block.start : block.stop]
                total += part.T @ part
        self._count += len(gradients)

    def matrices(self) -> list[Matrix]:
        """One symmetric matrix a block."""
        return [total / max(1, self._count) for total in self._sums]


class TrakKernel:
    """Mean of phi phi^T, phi the gradient of the margin log p / (1 - p) of the label (Park et al., arXiv 2303.14186, eq. 13).

    The margin's gradient is that of the loss over -(1 - p), so that it follows from the stored gradient and the loss.
    """

    def __init__(self, dim: int) -> None:
        """Stored dimensions d."""
        self._sum = np.zeros((dim, dim))
        self._count = 0

    def add(self, gradients: Float32[Singles, "n d"], loss: Float64[Doubles, " n"]) -> None:
        """Add instances' stored vectors and their loss."""
        for start in range(0, len(gradients), CHUNK):
            rows = gradients[start : start + CHUNK] / doubt(loss[start : start + CHUNK])[:, None]
            self._sum += rows.T @ rows
        self._count += len(gradients)

    def matrices(self) -> list[Matrix]:
        """The one matrix [d, d]."""
        return [self._sum / max(1, self._count)]


def doubt(loss: Float64[Doubles, " n"]) -> Float64[Doubles, " n"]:
    """1 - p of the label from its loss -log p, exact where p is near 1; no less than 1e-12."""
    return np.maximum(-np.expm1(-loss), 1e-12)


class HeadHessian:
    """Exact Hessian of the mean loss in the head's weight: mean of (diag(p) - p p^T) kron h h^T."""

    def __init__(self, outputs: int, hidden: int) -> None:
        """C and h."""
        self._sum = np.zeros((outputs, hidden, outputs, hidden))
        self._count = 0

    def add(self, probabilities: Float32[Singles, "n C"], hidden: Float32[Singles, "n h"]) -> None:
        """Add instances: their probabilities and head inputs."""
        outputs = probabilities.shape[1]
        for start in range(0, len(hidden), CHUNK):
            p = probabilities[start : start + CHUNK].astype(np.float64)
            h = hidden[start : start + CHUNK].astype(np.float64)
            for c in range(outputs):
                for other in range(c + 1):
                    weight = p[:, c] * ((c == other) - p[:, other])
                    part = (h * weight[:, None]).T @ h
                    self._sum[c, :, other] += part
                    if c != other:
                        self._sum[other, :, c] += part.T
        self._count += len(hidden)

    def matrices(self) -> list[Matrix]:
        """The one matrix [C h, C h]."""
        size = self._sum.shape[0] * self._sum.shape[1]
        return [self._sum.reshape(size, size) / max(1, self._count)]


def decompose(kind: str, matrices: list[Matrix]) -> Tensors:
    """Eigenvalues (clipped at 0, rounding aside these matrices are positive semi-definite) and eigenvectors, by tensor name."""
    tensors: Tensors = {}
    for number, matrix in enumerate(matrices):
        values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
        tensors[values_name(kind, number)] = np.maximum(values, 0.0)
        tensors[vectors_name(kind, number)] = np.ascontiguousarray(vectors)
    return tensors
