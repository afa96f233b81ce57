"""The slow, plain way through a mixture of experts: token by token and expert by expert, with formulas of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoModelForCausalLM

from attridex.indexer.models.architectures import Architecture
from attridex.indexer.models.batches import TokenBatch
from tests.indexer.oracles import load

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
