"""Curvature of the training loss, kept as an eigendecomposition so that any damping is one cheap transform of a query.

Letters: n instances, d stored dimensions, C labels, h hidden size, k rows of a matrix.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from jaxtyping import Float32, Float64

from attridex.indexer.array_types import Doubles, Singles
from attridex.indexer.curvature.tensors import Tensors, values_name, vectors_name
from attridex.indexer.errors import InputError
from attridex.indexer.index.records import Block
from attridex.indexer.sections import FACTORED

Matrix = Float64[Doubles, "_ _"]
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
        if kind in FACTORED:
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


def largest(kinds: Iterable[str], blocks: Sequence[Block]) -> int:
    """Rows of the largest matrix that is decomposed; 0 for no curvature."""
    sides = [max(block.rows, block.columns) for block in blocks]
    own = {"kfac": max(sides), "ekfac": max(sides), "fisher": max(block.stop - block.start for block in blocks)}
    return max((own.get(kind, blocks[-1].stop) for kind in kinds), default=0)


def stored_bytes(kinds: Iterable[str], blocks: Sequence[Block]) -> int:
    """Bytes of the eigendecompositions of some curvatures in float64."""
    wanted, dim = set(kinds), blocks[-1].stop
    numbers = sum(dim * dim + dim for kind in wanted & {"hessian", "trak"})
    if "fisher" in wanted:
        numbers += sum((block.stop - block.start) * (block.stop - block.start + 1) for block in blocks)
    if wanted & FACTORED:
        kept = 2 if "ekfac" in wanted else 1  # EK-FAC's eigenvalues stand beside those of K-FAC
        numbers += sum(block.rows**2 + block.columns**2 + kept * block.rows * block.columns for block in blocks)
    return 8 * numbers


def float64_chunks(size: int, *streams: Iterable[Singles] | Iterable[Doubles]) -> Iterator[tuple[Doubles, ...]]:
    """Arrays of streams that go side by side, `size` rows at a time and in float64."""
    for arrays in zip(*streams, strict=True):
        for start in range(0, len(arrays[0]), size):
            yield tuple(array[start : start + size].astype(np.float64) for array in arrays)


def fisher(gradients: Iterable[Float32[Singles, "_ d"]], blocks: Sequence[Block]) -> list[Matrix]:
    """Mean of g g^T over the training instances' stored vectors, one symmetric matrix a block."""
    sums, count = [np.zeros((block.stop - block.start,) * 2) for block in blocks], 0
    for (rows,) in float64_chunks(CHUNK, gradients):
        for block, total in zip(blocks, sums, strict=True):
            part = rows[:, block.start : block.stop]
            total += part.T @ part
        count += len(rows)
    return [total / max(1, count) for total in sums]


def trak_kernel(gradients: Iterable[Float32[Singles, "_ d"]], losses: Iterable[Float64[Doubles, " _"]], dim: int) -> list[Matrix]:
    """Mean of phi phi^T, phi the gradient of the margin log p / (1 - p) of the label (Park et al., arXiv 2303.14186, eq. 13).

    The margin's gradient is that of the loss over -(1 - p), so that it follows from the stored gradient and the loss.
    """
    total, count = np.zeros((dim, dim)), 0
    for rows, loss in float64_chunks(CHUNK, gradients, losses):
        rows /= doubt(loss)[:, None]
        total += rows.T @ rows
        count += len(rows)
    return [total / max(1, count)]


def doubt(loss: Float64[Doubles, " n"]) -> Float64[Doubles, " n"]:
    """1 - p of the label from its loss -log p, exact where p is near 1; no less than 1e-12."""
    return np.maximum(-np.expm1(-loss), 1e-12)


def head_hessian(
    probabilities: Iterable[Float32[Singles, "_ C"]], hidden: Iterable[Float32[Singles, "_ h"]], outputs: int, size: int
) -> list[Matrix]:
    """Exact Hessian of the mean loss in the head's weight: mean of (diag(p) - p p^T) kron h h^T, one matrix [C h, C h].

    Args:
        probabilities: of the outputs.
        hidden: states that the head reads.
        outputs: C.
        size: h.
    """
    total, count = np.zeros((outputs, size, outputs, size)), 0
    for p, h in float64_chunks(CHUNK, probabilities, hidden):
        for c in range(outputs):
            for other in range(c + 1):
                weight = p[:, c] * ((c == other) - p[:, other])
                part = (h * weight[:, None]).T @ h
                total[c, :, other] += part
                if c != other:
                    total[other, :, c] += part.T
        count += len(h)
    return [total.reshape(outputs * size, outputs * size) / max(1, count)]


def decompose(kind: str, matrices: list[Matrix]) -> Tensors:
    """Eigenvalues (clipped at 0, rounding aside these matrices are positive semi-definite) and eigenvectors, by tensor name."""
    tensors: Tensors = {}
    for number, matrix in enumerate(matrices):
        values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
        tensors[values_name(kind, number)] = np.maximum(values, 0.0)
        tensors[vectors_name(kind, number)] = np.ascontiguousarray(vectors)
    return tensors
