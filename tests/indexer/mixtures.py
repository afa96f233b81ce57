"""The slow, plain way through a mixture of experts: token by token and expert by expert, with formulas of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoModelForCausalLM

from attridex.indexer.models.architectures import Architecture
from attridex.indexer.models.batches import TokenBatch
from attridex.indexer.neurons.quadrature import Quadrature
from tests.indexer.oracles import last_position, load

MIXTURES = ["mixtral", "qwen2_moe", "qwen3_moe", "olmoe", "gpt_oss", "glm4_moe"]
LANGUAGE = ("olmoe", "glm4_moe")
"""Families that transformers has no classifier of."""
Change = Callable[[Tensor], Tensor]
"""change(activations [E, F] of one token, those of experts that it is not routed to 0) -> others."""


def loaded(family: str, model_dir: Callable[..., Path]) -> Architecture:
    """A tiny model: a classifier, or a language model."""
    if family not in LANGUAGE:
        return load(model_dir(family))
    model = AutoModelForCausalLM.from_pretrained(model_dir(family, "causal-lm")).eval().requires_grad_(False)
    return Architecture(model)


def logits(arch: Architecture, one: TokenBatch) -> Tensor:
    """What a model says at the last position of one sequence, from its own call [C]."""
    found: Tensor = arch.model(one.ids, attention_mask=one.mask).logits[0]
    return found[-1] if found.dim() == 2 else found


def activation(family: str, experts: Any, state: Tensor, expert: int) -> Tensor:
    """FFN units of one expert for one token."""
    if family == "gpt_oss":
        both = state @ experts.gate_up_proj[expert] + experts.gate_up_proj_bias[expert]
        gate, up = both[0::2].clamp(max=7.0), both[1::2].clamp(-7.0, 7.0)
        return (up + 1) * gate * torch.sigmoid(1.702 * gate)
    gate, up = (experts.gate_up_proj[expert] @ state).chunk(2)
    return F.silu(gate) * up


def output(family: str, experts: Any, a: Tensor, expert: int) -> Tensor:
    """Output of one expert."""
    if family == "gpt_oss":
        return a @ experts.down_proj[expert] + experts.down_proj_bias[expert]
    return experts.down_proj[expert] @ a


@contextmanager
def plain_experts(
    arch: Architecture, family: str, changes: dict[tuple[int, int], Change], held: dict[int, Any]
) -> Iterator[None]:
    """Let every layer's experts run the plain way.

    `changes` are those of a (layer, token); `held` is filled with each layer's routing, and used where it is full already.
    """
    replay = bool(held)

    def forward(layer: int, module: Any, states: Tensor, index: Tensor, weights: Tensor) -> Tensor:
        if replay:
            index, weights = held[layer]
        else:
            held[layer] = index.clone(), weights.detach().clone()
        rows = []
        for token, state in enumerate(states):
            a = torch.zeros(module.num_experts, arch.expert_units)
            for expert in index[token].tolist():
                a[expert] = activation(family, module, state, expert)
            a = changes.get((layer, token), lambda a: a)(a)
            parts = [w * output(family, module, a[e], e) for e, w in zip(index[token].tolist(), weights[token], strict=True)]
            rows.append(torch.stack(parts).sum(0))
        return torch.stack(rows)

    modules = {layer: each.module for layer, each in enumerate(arch.mixtures) if each}
    for layer, module in modules.items():
        module.forward = lambda *args, layer=layer, module=module: forward(layer, module, *args)
    try:
        yield
    finally:
        for module in modules.values():
            del module.forward


def routed_scores(arch: Architecture, family: str, read: int, rule: Quadrature, probability: Callable[[], Tensor]) -> Tensor:
    """Integrated gradients with all routing as in the unedited pass [L, F], one layer, one point and one pass at a time.

    Args:
        arch: the model.
        family: its model type.
        read: the position that is edited.
        rule: of the integral.
        probability: gives P(target) by a pass of one sequence.
    """
    held: dict[int, Any] = {}
    with plain_experts(arch, family, {}, held), torch.no_grad():
        probability()
    rows = []
    for layer in range(len(arch.layers)):
        seen: dict[bool, Tensor] = {}

        def run(points: dict[bool, Tensor], layer: int = layer, seen: dict[bool, Tensor] = seen) -> Tensor:
            def change(units: Tensor, routed: bool) -> Tensor:
                seen[routed] = units.detach()
                return points.get(routed, units)

            routed = {(layer, read): lambda units: change(units, True)} if arch.mixtures[layer] else {}
            shared = last_position(arch, layer, read, lambda units: change(units, False)) if arch.shared[layer] else nullcontext()
            with plain_experts(arch, family, routed, held), shared:
                return probability()

        run({})
        own = dict(seen)
        total = dict.fromkeys(own, torch.zeros(()))
        for alpha, weight in zip(rule.points, rule.weights, strict=True):
            points = {part: (a * alpha).requires_grad_(True) for part, a in own.items()}
            for part, gradient in zip(points, torch.autograd.grad(run(points), list(points.values())), strict=True):
                total[part] = total[part] + weight * gradient
        row = torch.zeros(arch.width)
        for part, a in own.items():
            start = 0 if part else arch.routed
            row[start : start + a.numel()] = (a * total[part]).flatten()
        rows.append(row)
    return torch.stack(rows)
