"""Neuron attribution: integrated gradients of P(target) in the FFN activations of the read position; kept neurons; DCNS.

Letters: B sequences, L layers, F units, m points, C labels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attridex.indexer.architectures import Architecture, Site
from attridex.indexer.batches import TokenBatch
from attridex.indexer.rows import packs, run_rows

Watch = Callable[[Tensor], Tensor]
"""P(target) [B, R] from the logits [B, R, C] of edited rows; row 0 is unedited."""


@dataclass(frozen=True)
class NeuronPass:
    """Scores of a batch.

    Attributes:
        scores: integrated gradients [B, L, F].
        activations: FFN activations at the read position [B, L, F].
    """

    scores: Tensor
    activations: Tensor


def score_neurons(arch: Architecture, batch: TokenBatch, site: Site, steps: int, watch: Watch) -> NeuronPass:
    """Integrated gradients with a zero baseline, one layer at a time, all other layers running free.

    score(l, i) = a(l, i) / m * sum over k = 0..m-1 of dP(target) / da(l, i) at a(l, :) * k / (m - 1), where `watch` gives
    P(target). Packed models score all layers in one pass; others one layer a pass, to bound memory.
    """
    layers = len(arch.layers)
    groups = [range(layers)] if packs(arch, batch) else [range(layer, layer + 1) for layer in range(layers)]
    scores: dict[int, Tensor] = {}
    activations: dict[int, Tensor] = {}
    for group in groups:
        part, seen = score_layers(arch, batch, site, steps, group, watch)
        scores |= part
        activations |= seen
    order = range(layers)
    return NeuronPass(torch.stack([scores[layer] for layer in order], 1), torch.stack([activations[layer] for layer in order], 1))


def score_layers(
    arch: Architecture, batch: TokenBatch, site: Site, steps: int, group: range, watch: Watch
) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
    """Scores [B, F] of the layers in `group`, and their activations [B, F]."""
    alphas = torch.linspace(0, 1, steps, device=batch.ids.device)
    activations: dict[int, Tensor] = {}
    points: dict[int, Tensor] = {}

    def edit(layer: int, x: Tensor) -> Tensor:
        if layer not in group:
            return x
        activations[layer] = x[:, 0].detach()
        points[layer] = (activations[layer][:, None] * alphas[:, None].to(x.dtype)).requires_grad_(True)
        return torch.cat([x[:, :-steps], points[layer]], 1)

    enter = [steps if layer in group else 0 for layer in range(len(arch.layers))]
    with torch.enable_grad():
        logits, _ = run_rows(arch, batch, site, enter, edit)
        gradients = torch.autograd.grad(watch(logits).sum(), list(points.values()))
    scores = {layer: activations[layer] * gradient.sum(1) / steps for layer, gradient in zip(points, gradients, strict=True)}
    return scores, activations


@dataclass(frozen=True)
class NeuronEdit:
    """Suppress the given (layer, unit) neurons, or keep only them, at the read position."""

    mode: Literal["suppress", "keep"]
    neurons: tuple[tuple[int, int], ...]

    def factors(self, layers: int, units: int) -> Tensor:
        """What each activation is multiplied by, [L, F]."""
        chosen = torch.zeros(layers, units)
        for layer, unit in self.neurons:
            chosen[layer, unit] = 1
        return chosen if self.mode == "keep" else 1 - chosen


def edited_logits(arch: Architecture, batch: TokenBatch, site: Site, factors: Tensor) -> Tensor:
    """Logits [B, 1 + V, C]: unedited, then under each of the factors [B, V, L, F]."""
    variants = factors.shape[1]
    factors = factors.to(batch.ids.device)

    def edit(layer: int, x: Tensor) -> Tensor:
        return torch.cat([x[:, :1], x[:, 1:] * factors[:, :, layer].to(x.dtype)], 1)

    with torch.no_grad():
        return run_rows(arch, batch, site, [variants] + [0] * (len(arch.layers) - 1), edit)[0]


def kept_neurons(scores: NDArray[np.float32], share: float) -> NDArray[np.int64]:
    """Ids of the neurons whose score is above `share` times the largest, in descending score."""
    flat = scores.reshape(-1)
    ids = np.flatnonzero(flat > share * flat.max())
    return ids[np.argsort(-flat[ids], kind="stable")]


def dcns_weights(scores: Sequence[float] | NDArray[np.float32]) -> NDArray[np.float64]:
    """DCNS weight of each kept neuron, given scores in descending order: (2 ** z - 1) / log2(rank + 1).

    z are the z-scores within the instance (population standard deviation); a single neuron or zero spread has z = 0.
    """
    values = np.asarray(scores, dtype=np.float64)
    spread = values.std()
    z = (values - values.mean()) / spread if spread > 0 else np.zeros_like(values)
    return np.asarray((np.exp2(z) - 1) / np.log2(np.arange(len(values)) + 2))
