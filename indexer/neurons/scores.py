"""Neuron attribution: integrated gradients of P(target) in the FFN activations of the read position; kept neurons; DCNS.

Letters: B sequences, L layers, F units, m points, R rows (edited copies), C outputs, o and i outputs and inputs of a layer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor
from transformers.pytorch_utils import Conv1D

from attridex.indexer.array_types import Doubles, Integers, Singles
from attridex.indexer.models.architectures import Architecture, Site
from attridex.indexer.models.batches import TokenBatch
from attridex.indexer.neurons.quadrature import GRADIENT, Quadrature
from attridex.indexer.neurons.rows import grow_rows, packs, run_rows
from attridex.indexer.structure.experts import Routing

Watch = Callable[[Float[Tensor, "B R C"]], Float[Tensor, "B R"]]
"""P(target) from the logits of edited rows; row 0 is unedited."""


@dataclass(frozen=True)
class NeuronPass:
    """Scores of a batch.

    Attributes:
        scores: integrated gradients.
        activations: at the read position; of attention heads their lengths.
    """

    scores: Float[Tensor, "B L F"]
    activations: Float[Tensor, "B L F"]


def score_neurons(arch: Architecture, batch: TokenBatch, site: Site, rule: Quadrature, watch: Watch) -> NeuronPass:
    """Integrated gradients with a zero baseline, one layer at a time, all other layers running free.

    score(l, i) = a(l, i) * sum over points k of w_k dP(target) / da(l, i) at a(l, :) * alpha_k, where `watch` gives P(target).
    Attention heads count as one unit each: the sum over a head's outputs. Packed models score all layers in one pass; others
    one layer a pass, to bound memory. A rule with the one point alpha = 1 needs no edited copies at all: see `at_activations`.

    Args:
        arch: the model.
        batch: B sequences.
        site: where a neuron is read.
        rule: of the integral.
        watch: gives P(target).
    """
    if rule == GRADIENT:
        return unit_pass(arch, site, at_activations(arch, batch, site, watch))
    layers = len(arch.layers)
    packed = packs(arch, batch)
    if packed and site == "post" and len(arch.adds) == layers:
        return unit_pass(arch, site, behind_layers(arch, batch, rule, watch))
    groups = [range(layers)] if packed else [range(layer, layer + 1) for layer in range(layers)]
    parts = [in_layers(arch, batch, site, rule, group, watch) for group in groups]
    whole = NeuronPass(torch.cat([part.scores for part in parts], 1), torch.cat([part.activations for part in parts], 1))
    return unit_pass(arch, site, whole)


def unit_pass(arch: Architecture, site: Site, inputs: NeuronPass) -> NeuronPass:
    """A pass in float32, from that over the inputs of the FFN's (or the attention's) output projection.

    FFN units are these inputs; an attention head's score is the sum over its inputs, its activation their length.
    """
    scores, activations = inputs.scores.float(), inputs.activations.float()
    if site != "head":
        return NeuronPass(scores, activations)
    shape = (*scores.shape[:2], arch.heads, -1)
    return NeuronPass(scores.reshape(shape).sum(-1), activations.reshape(shape).norm(dim=-1))


def at_activations(arch: Architecture, batch: TokenBatch, site: Site, watch: Watch) -> NeuronPass:
    """Activation times gradient of every layer, from one forward and one backward pass.

    At alpha = 1 nothing is edited, so the unedited row's own gradients are those of all layers at once.

    Args:
        arch: the model.
        batch: B sequences.
        site: where a neuron is read.
        watch: gives P(target).
    """
    seen: dict[Part, Tensor] = {}
    places = Places(arch, site)

    def see(layer: int, x: Tensor, routing: Routing | None) -> Tensor:
        part = places.note(layer, routing)
        seen[part] = x if seen and x.requires_grad else x.detach().requires_grad_(True)
        return seen[part]

    with torch.enable_grad():
        logits = run_rows(arch, batch, site, [0] * len(arch.layers), see).logits
        gradients = torch.autograd.grad(watch(logits).sum(), list(seen.values()))
    activations = {part: x.detach()[:, 0] for part, x in seen.items()}
    summed = zip(seen, gradients, strict=True)
    return places.whole({part: activations[part] * gradient[:, 0] for part, gradient in summed}, activations)


def in_layers(arch: Architecture, batch: TokenBatch, site: Site, rule: Quadrature, group: range, watch: Watch) -> NeuronPass:
    """Scores of the layers of a group: copies enter at each layer, and are edited there.

    Args:
        arch: the model.
        batch: B sequences.
        site: where a neuron is read.
        rule: of the integral.
        group: the layers.
        watch: gives P(target).
    """
    alphas, weights = points_of(rule, batch.ids.device)
    steps = len(alphas)
    activations: dict[Part, Tensor] = {}
    points: dict[Part, Tensor] = {}
    places = Places(arch, site)

    def edit(layer: int, x: Tensor, routing: Routing | None) -> Tensor:
        if layer not in group:
            return x
        part = places.note(layer, routing)
        activations[part] = x[:, 0].detach()
        points[part] = (activations[part][:, None] * alphas.to(x.dtype)).requires_grad_(True)
        return torch.cat([x[:, :-steps], points[part]], 1)

    enter = [steps if layer in group else 0 for layer in range(len(arch.layers))]
    with torch.enable_grad():
        logits = run_rows(arch, batch, site, enter, edit).logits
        gradients = torch.autograd.grad(watch(logits).sum(), list(points.values()))
    summed = zip(points, gradients, strict=True)
    return places.whole({part: activations[part] * (gradient * weights).sum(1) for part, gradient in summed}, activations)


def behind_layers(arch: Architecture, batch: TokenBatch, rule: Quadrature, watch: Watch) -> NeuronPass:
    """Scores where a layer's output h adds its FFN's: the copy at alpha is h + c (alpha - 1) W a; c is 1 for most models.

    So the copies enter behind the layer, and with g_k = dP / dh_k the score is c a * W^T sum_k w_k g_k. The copy at alpha = 1
    is the unedited row, whose gradients behind all layers come from one pass.

    Args:
        arch: the model.
        batch: B sequences.
        rule: of the integral.
        watch: gives P(target).
    """
    alphas, weights = points_of(rule.edited, batch.ids.device)
    activations: dict[Part, Tensor] = {}
    copies: list[Tensor] = []
    unedited: list[Tensor] = []
    places = Places(arch, "post")

    def see(layer: int, x: Tensor, routing: Routing | None) -> Tensor:
        activations[places.note(layer, routing)] = x[:, 0].detach()
        return x

    def grow(layer: int, states: Tensor) -> Tensor:
        first = states[:, :1] if unedited else states[:, :1].detach().requires_grad_(True)
        unedited.append(first)
        ((part, own),) = ((part, own) for part, own in activations.items() if part.layer == layer)
        step = arch.adds[layer] * through(arch, layer, own, places.routing(part))[:, None]
        copies.append((first.detach() + (alphas - 1).to(step.dtype) * step).requires_grad_(True))
        return torch.cat([first, states[:, 1:], copies[-1]], 1)

    with torch.enable_grad():
        logits = grow_rows(arch, batch, "post", see, grow)
        gradients = torch.autograd.grad(watch(logits).sum(), [*copies, *unedited])
    scores = {}
    for part, a in activations.items():
        layer = part.layer
        total = (gradients[layer] * weights).sum(1) + rule.unedited * gradients[len(copies) + layer][:, 0].float()
        scores[part] = a.float() * arch.adds[layer] * back_through(arch, layer, total, places.routing(part))
    return places.whole(scores, activations)


@lru_cache(maxsize=16)
def points_of(rule: Quadrature, device: torch.device) -> tuple[Float[Tensor, "m 1"], Float[Tensor, "m 1"]]:
    """Points and weights of a rule, kept on the device: a pass waits for no transfer."""
    return torch.tensor(rule.points, device=device)[:, None], torch.tensor(rule.weights, device=device)[:, None]


class Part(NamedTuple):
    """What computes neurons of a layer: its experts, or the FFN that every token passes."""

    layer: int
    routed: bool


class Places:
    """Where the units that parts of layers compute stand among all of a layer: of experts, those of the routed ones."""

    def __init__(self, arch: Architecture, site: Site) -> None:
        """Nothing routed yet."""
        self._arch, self._site = arch, site
        self._routing: dict[Part, Routing] = {}

    def note(self, layer: int, routing: Routing | None) -> Part:
        """Remember where the unedited rows of a layer are routed; whose units they are."""
        part = Part(layer, routing is not None)
        if routing is not None:
            self._routing[part] = Routing(routing.experts[:, 0], routing.weights[:, 0].detach())
        return part

    def routing(self, part: Part) -> Routing | None:
        """Where the unedited rows are routed."""
        return self._routing.get(part)

    def whole(self, scores: Mapping[Part, Tensor], activations: Mapping[Part, Tensor]) -> NeuronPass:
        """Scores and activations [B, .] of parts, in the order of the layers."""
        return NeuronPass(self._stacked(scores), self._stacked(activations))

    def _stacked(self, values: Mapping[Part, Tensor]) -> Float[Tensor, "B L F"]:
        """Values of layers, those that no expert computed 0."""
        layers: dict[int, Tensor] = {}
        for part in sorted(values):
            own = values[part]
            if self._site != "head":
                own = self._arch.placed(part.layer, own, self.routing(part))
            layers[part.layer] = layers[part.layer] + own if part.layer in layers else own
        return torch.stack(list(layers.values()), 1)


def through(arch: Architecture, layer: int, x: Float[Tensor, "B i"], routing: Routing | None) -> Float[Tensor, "B o"]:
    """W x for rows x of an FFN's output projection, without its bias.

    Args:
        arch: the model.
        layer: whose FFN.
        x: its units.
        routing: where the rows are routed, in a mixture of experts.
    """
    if (experts := arch.mixtures[layer]) and routing:
        return experts.through(x, routing)
    return x @ output_weight(arch, layer).T


def back_through(arch: Architecture, layer: int, x: Float[Tensor, "B o"], routing: Routing | None) -> Float[Tensor, "B i"]:
    """W^T x for rows x, in the FFN's output.

    Args:
        arch: the model.
        layer: whose FFN.
        x: gradients in its output.
        routing: where the rows are routed, in a mixture of experts.
    """
    if (experts := arch.mixtures[layer]) and routing:
        return experts.back_through(x, routing)
    weight = output_weight(arch, layer)
    return x.to(weight) @ weight


def output_weight(arch: Architecture, layer: int) -> Float[Tensor, "o i"]:
    """The weight of an FFN's output projection; GPT-2's Conv1D keeps it transposed."""
    module = arch.ffn_out[layer]
    weight = module.get_parameter("weight")
    return weight.T if isinstance(module, Conv1D) else weight


def edited_logits(
    arch: Architecture, batch: TokenBatch, site: Site, factors: Float[Tensor, "B V L F"]
) -> Float[Tensor, "B V+1 C"]:
    """Logits: unedited, then under each edit. In a mixture of experts each row is routed as it is edited.

    Args:
        arch: the model.
        batch: B sequences.
        site: where activations are read.
        factors: what each activation is multiplied by, for each of V edits.
    """
    variants = factors.shape[1]
    factors = factors.to(batch.ids.device)

    def edit(layer: int, x: Tensor, routing: Routing | None) -> Tensor:
        scale = factors[:, :, layer].to(x.dtype)
        if site != "head":
            scale = arch.picked(layer, scale, routing and routing.at((slice(None), slice(1, None))))
        return torch.cat([x[:, :1], x[:, 1:] * scale.repeat_interleave(x.shape[-1] // scale.shape[-1], -1)], 1)

    with torch.no_grad():
        return run_rows(arch, batch, site, [variants] + [0] * (len(arch.layers) - 1), edit, held=False).logits


def kept_neurons(scores: Float32[Singles, "*L"], share: float) -> Int64[Integers, " kept"]:
    """Ids of the neurons whose score is above `share` times the largest, in descending score."""
    flat = scores.reshape(-1)
    ids = np.flatnonzero(flat > share * flat.max())
    return ids[np.argsort(-flat[ids], kind="stable")]


def dcns_weights(scores: Sequence[float] | Float32[Singles, " kept"]) -> Float64[Doubles, " kept"]:
    """DCNS weight of each kept neuron, given scores in descending order: (2 ** z - 1) / log2(rank + 1).

    z are the z-scores within the instance (population standard deviation); a single neuron or zero spread has z = 0.
    """
    values = np.asarray(scores, dtype=np.float64)
    spread = values.std()
    z = (values - values.mean()) / spread if spread > 0 else np.zeros_like(values)
    return np.asarray((np.exp2(z) - 1) / np.log2(np.arange(len(values)) + 2))
