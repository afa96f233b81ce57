"""K-FAC and EK-FAC (Grosse et al., arXiv 2308.03296) in the stored space: H of a layer is S kron A, or its eigenbasis refitted.

With delta_t the gradient of the loss in the layer's outputs and a_t its inputs at token t (both projected where the index
projects), over n training instances with N tokens in all:

    A = sum a_t a_t^T,  S = sum delta_t delta_t^T
    K-FAC    (S kron A) / (N n): E[G G^T] with tokens taken as independent (K-FAC "expand")
    EK-FAC   Q_S kron Q_A with values mean over instances of (Q_S^T G Q_A)^2, the second moment of whole gradients

Labels are those of the stored gradients (the empirical Fisher matrix). Letters: B and n instances, T tokens, d stored dimensions,
o and i outputs and inputs of a layer in the stored space.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float, Float32, Shaped
from torch import Tensor

from attridex.indexer.array_types import Singles
from attridex.indexer.curvature.matrices import float64_chunks
from attridex.indexer.curvature.tensors import Tensors, inputs_name, left_name, outputs_name, right_name, tokens_name, values_name
from attridex.indexer.index.records import Block

CHUNK = 256
"""Gradients that are rotated at a time."""


class FactorSums:
    """A and S of every layer, and the number of tokens, summed over batches."""

    def __init__(self, blocks: list[Block]) -> None:
        """Nothing summed yet."""
        self._inputs = {block.name: np.zeros((block.columns,) * 2) for block in blocks}
        self._outputs = {block.name: np.zeros((block.rows,) * 2) for block in blocks}
        self._tokens = dict.fromkeys(self._inputs, 0)

    def add(self, name: str, a: Float[Tensor, "B T i"], delta: Float[Tensor, "B T o"], mask: Shaped[Tensor, "..."]) -> None:
        """Add a layer's sums.

        Args:
            name: of the layer.
            a: its inputs.
            delta: the gradients of its outputs.
            mask: 1 for what counts; its entries are those B x T.
        """
        real = mask.reshape(-1).bool()
        rows, errors = a.reshape(-1, a.shape[-1])[real].double(), delta.reshape(-1, delta.shape[-1])[real].double()
        self._inputs[name] += (rows.T @ rows).cpu().numpy()
        self._outputs[name] += (errors.T @ errors).cpu().numpy()
        self._tokens[name] += int(real.sum())

    def tensors(self) -> Tensors:
        """The sums by name, as a shard stores them."""
        found: Tensors = {}
        for number, name in enumerate(self._inputs):
            found[inputs_name(number)], found[outputs_name(number)] = self._inputs[name], self._outputs[name]
            found[tokens_name(number)] = np.array([self._tokens[name]], np.float64)
        return found


def kfac(sums: Tensors, instances: int, blocks: int) -> Tensors:
    """Eigenbases of every layer, and K-FAC's eigenvalues [o, i]."""
    tensors: Tensors = {}
    for number in range(blocks):
        left_values, left = np.linalg.eigh(sums[outputs_name(number)])
        right_values, right = np.linalg.eigh(sums[inputs_name(number)])
        tokens = float(sums[tokens_name(number)][0])
        tensors[left_name(number)], tensors[right_name(number)] = left, right
        outer = np.maximum(left_values, 0)[:, None] * np.maximum(right_values, 0)
        tensors[values_name("kfac", number)] = outer / max(1.0, tokens * instances)
    return tensors


def refit(gradients: Iterable[Float32[Singles, "_ d"]], tensors: Tensors, blocks: Sequence[Block]) -> Tensors:
    """EK-FAC's eigenvalues [o, i] by name: the mean of squared gradients in K-FAC's eigenbases, which `tensors` hold."""
    sums, count = [np.zeros((block.rows, block.columns)) for block in blocks], 0
    for (rows,) in float64_chunks(CHUNK, gradients):
        for number, (block, total) in enumerate(zip(blocks, sums, strict=True)):
            layer = rows[:, block.start : block.stop].reshape(len(rows), block.rows, block.columns)
            total += ((tensors[left_name(number)].T @ layer @ tensors[right_name(number)]) ** 2).sum(0)
        count += len(rows)
    return {values_name("ekfac", number): total / max(1, count) for number, total in enumerate(sums)}
