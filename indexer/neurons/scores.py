"""Neuron attribution: integrated gradients of P(target) in the FFN activations of the read position; kept neurons; DCNS.

Letters: B sequences, L layers, F units, m points, C labels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from attridex.indexer.models.architectures import Architecture, Site
from attridex.indexer.models.batches import TokenBatch
from attridex.indexer.neurons.quadrature import GRADIENT, Quadrature
from attridex.indexer.neurons.rows import grow_rows, packs, run_rows

Watch = Callable[[Tensor], Tensor]
"""P(target) [B, R] from the logits [B, R, C] of edited rows; row 0 is unedited."""


@dataclass(frozen=True)
class NeuronPass:
    """Scores of a batch.

    Attributes:
        scores: integrated gradients [B, L, units].
        activations: at the read position [B, L, units]; of attention heads their lengths.
    """

    scores: Tensor
    activations: Tensor


def score_neurons(arch: Architecture, batch: TokenBatch, site: Site, rule: Quadrature, watch: Watch) -> NeuronPass:
    """Integrated gradients with a zero baseline, one layer at a time, all other layers running free.

    score(l, i) = a(l, i) * sum over points k of w_k dP(target) / da(l, i) at a(l, :) * alpha_k, where `watch` gives P(target).
    Attention heads count as one unit each: the sum over a head's outputs. Packed models score all layers in one pass; others
    one layer a pass, to bound memory. A rule with the one point alpha = 1 needs no edited copies at all: see `at_activations`.
    """
    if rule == GRADIENT:
        return unit_pass(arch, site, *at_activations(arch, batch, site, watch))
    layers = len(arch.layers)
    packed = packs(arch, batch)
    if packed and site == "post" and arch.adds:
        return unit_pass(arch, site, *behind_layers(arch, batch, rule, watch))
    groups = [range(layers)] if packed else [range(layer, layer + 1) for layer in range(layers)]
    parts = [in_layers(arch, batch, site, rule, group, watch) for group in groups]
    return unit_pass(arch, site, *(torch.cat([part[number] for part in parts], 1) for number in range(2)))


def unit_pass(arch: Architecture, site: Site, scores: Tensor, activations: Tensor) -> NeuronPass:
    """Scores and activations [B, L, F] in float32; of attention heads their sums and lengths."""
    scores, activations = scores.float(), activations.float()
    if site != "head":
        return NeuronPass(scores, activations)
    shape = (*scores.shape[:2], arch.heads, -1)
    return NeuronPass(scores.reshape(shape).sum(-1), activations.reshape(shape).norm(dim=-1))


def at_activations(arch: Architecture, batch: TokenBatch, site: Site, watch: Watch) -> tuple[Tensor, Tensor]:
    """Activation times gradient and activations [B, L, F] of every layer, from one forward and one backward pass.

    At alpha = 1 nothing is edited, so the unedited row's own gradients are those of all layers at once.
    """
    seen: list[Tensor] = []

    def see(_layer: int, x: Tensor) -> Tensor:
        seen.append(x if seen else x.detach().requires_grad_(True))
        return seen[-1]

    with torch.enable_grad():
        logits, _ = run_rows(arch, batch, site, [0] * len(arch.layers), see)
        gradients = torch.autograd.grad(watch(logits).sum(), seen)
    activations = torch.stack([x.detach()[:, 0] for x in seen], 1)
    return activations * torch.stack([gradient[:, 0] for gradient in gradients], 1), activations


def in_layers(
    arch: Architecture, batch: TokenBatch, site: Site, rule: Quadrature, group: range, watch: Watch
) -> tuple[Tensor, Tensor]:
    """Scores and activations [B, layers of the group, F]: copies enter at each layer, and are edited there."""
    alphas, weights = points_of(rule, batch)
    steps = len(alphas)
    activations: dict[int, Tensor] = {}
    points: dict[int, Tensor] = {}

    def edit(layer: int, x: Tensor) -> Tensor:
        if layer not in group:
            return x
        activations[layer] = x[:, 0].detach()
        points[layer] = (activations[layer][:, None] * alphas.to(x.dtype)).requires_grad_(True)
        return torch.cat([x[:, :-steps], points[layer]], 1)

    enter = [steps if layer in group else 0 for layer in range(len(arch.layers))]
    with torch.enable_grad():
        logits, _ = run_rows(arch, batch, site, enter, edit)
        gradients = torch.autograd.grad(watch(logits).sum(), list(points.values()))
    scores = [activations[layer] * (gradient * weights).sum(1) for layer, gradient in zip(points, gradients, strict=True)]
    return torch.stack(scores, 1), torch.stack(list(activations.values()), 1)


def behind_layers(arch: Architecture, batch: TokenBatch, rule: Quadrature, watch: Watch) -> tuple[Tensor, Tensor]:
    """Scores and activations [B, L, F] where a layer's output h adds its FFN's: the copy at alpha is h + (alpha - 1) W a.

    So the copies enter behind the layer, and with g_k = dP / dh_k the score is a * W^T sum_k w_k g_k. The copy at alpha = 1
    is the unedited row, whose gradients behind all layers come from one pass.
    """
    alphas, weights = points_of(rule, batch)
    edited = alphas[:, 0] != 1
    whole = float(weights[~edited].sum())
    activations: list[Tensor] = []
    copies: list[Tensor] = []
    unedited: list[Tensor] = []

    def see(_layer: int, x: Tensor) -> Tensor:
        activations.append(x[:, 0].detach())
        return x

    def grow(layer: int, states: Tensor) -> Tensor:
        first = states[:, :1] if unedited else states[:, :1].detach().requires_grad_(True)
        unedited.append(first)
        step = through(arch.ffn_out[layer], activations[layer])[:, None]
        copies.append((first.detach() + (alphas[edited] - 1).to(step.dtype) * step).requires_grad_(True))
        return torch.cat([first, states[:, 1:], copies[-1]], 1)

    with torch.enable_grad():
        logits = grow_rows(arch, batch, "post", see, grow)
        gradients = torch.autograd.grad(watch(logits).sum(), [*copies, *unedited])
    scores = []
    for layer, a in enumerate(activations):
        total = (gradients[layer] * weights[edited]).sum(1) + whole * gradients[len(copies) + layer][:, 0].float()
        scores.append(a.float() * back_through(arch.ffn_out[layer], total))
    return torch.stack(scores, 1), torch.stack(activations, 1)


def points_of(rule: Quadrature, batch: TokenBatch) -> tuple[Tensor, Tensor]:
    """Points and weights of a rule [m, 1]."""
    device = batch.ids.device
    return torch.tensor(rule.points, device=device)[:, None], torch.tensor(rule.weights, device=device)[:, None]


def through(module: nn.Module, x: Tensor) -> Tensor:
    """W x for rows x [B, i] of a linear layer, without its bias."""
    weight = module.get_parameter("weight")
    return x @ weight if isinstance(module, Conv1D) else x @ weight.T


def back_through(module: nn.Module, x: Tensor) -> Tensor:
    """W^T x for rows x [B, o] of a linear layer."""
    weight = module.get_parameter("weight")
    return x.to(weight) @ weight.T if isinstance(module, Conv1D) else x.to(weight) @ weight


def edited_logits(arch: Architecture, batch: TokenBatch, site: Site, factors: Tensor) -> Tensor:
    """Logits [B, 1 + V, C]: unedited, then under each of the factors [B, V, L, F]."""
    variants = factors.shape[1]
    factors = factors.to(batch.ids.device)

    def edit(layer: int, x: Tensor) -> Tensor:
        scale = factors[:, :, layer].to(x.dtype)
        return torch.cat([x[:, :1], x[:, 1:] * scale.repeat_interleave(x.shape[-1] // scale.shape[-1], -1)], 1)

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
