"""How often a pass uses each linear layer: in all, by its weight, and as a module, which hooks see."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from attridex.indexer.structure.calls import SEQUENCES, TOKENS, Call, first_tensor


@dataclass(frozen=True)
class LinearUse:
    """How a pass uses a linear layer.

    Attributes:
        weight: times that the answer follows from its weight.
        fires: times that the answer follows from a call of it.
        shared: whether it is called with something that belongs to no sequence (a table of distances).
        tokens_first: whether it is called with [T, S, ...] instead of [S, T, ...].
        rewritten: whether what it gives is written over later.
        multiplies: whether it gives its input times its weight, as a class of its own may not.
    """

    weight: int
    fires: int
    shared: bool
    tokens_first: bool
    multiplies: bool = True
    rewritten: bool = False

    @property
    def passed_by(self) -> bool:
        """Whether a pass multiplies by its weight without calling it, once (Mamba's dt_proj)."""
        return self.weight == 1 and not self.fires


@contextmanager
def wanting_gradients(weights: Iterable[nn.Parameter]) -> Iterator[None]:
    """Let parameters be part of the graph."""
    frozen = [weight for weight in weights if not weight.requires_grad and weight.is_floating_point()]
    for weight in frozen:
        weight.requires_grad_(True)
    try:
        yield
    finally:
        for weight in frozen:
            weight.requires_grad_(False)


def graph_nodes(root: Tensor) -> list[Any]:
    """All nodes of the graph of a tensor."""
    seen: dict[Any, None] = {}
    open_nodes: list[Any] = [root.grad_fn]
    while open_nodes:
        node = open_nodes.pop()
        if node is None or node in seen:
            continue
        seen[node] = None
        open_nodes += [after for after, _ in node.next_functions]
    return list(seen)


def linear_uses(layers: Mapping[str, nn.Module], calls: Sequence[Call], answer: Tensor) -> dict[str, LinearUse]:
    """How a traced pass, whose weights are part of its graph, used linear layers."""
    nodes = graph_nodes(answer)
    inside = set(nodes)
    edges = Counter(id(getattr(after, "variable", None)) for node in nodes for after, _ in node.next_functions)
    by_module: dict[nn.Module, list[Call]] = {}
    for call in calls:
        by_module.setdefault(call.module, []).append(call)
    found: dict[str, LinearUse] = {}
    for name, module in layers.items():
        own = [call for call in by_module.get(module, []) if call.made.grad_fn in inside]
        weight = edges[id(module.weight)] if isinstance(module.weight, nn.Parameter) and module.weight.requires_grad else len(own)
        shared, swapped = any(map(is_shared, own)), any(map(has_tokens_first, own))
        written = any(call.made._version for call in own)
        found[name] = LinearUse(weight, len(own), shared, swapped, is_product(module), written)
    return found


@torch.no_grad()
def is_product(module: nn.Module) -> bool:
    """Whether a linear layer gives its input times its weight: by its class, or tried on an input."""
    if type(module).forward in (nn.Linear.forward, Conv1D.forward) or not isinstance(module, nn.Linear):
        return True
    weight = module.weight
    if not weight.is_floating_point():  # quantised
        return True
    x = torch.linspace(-1, 1, 2 * weight.shape[1], device=weight.device, dtype=weight.dtype).reshape(1, 2, -1)
    wanted, made = F.linear(x, weight, module.bias), first_tensor(module(x))
    tolerance = (5e-2 if weight.dtype in (torch.float16, torch.bfloat16) else 1e-4) * float(wanted.abs().max())
    return (
        made is not None and made.numel() == wanted.numel() and torch.allclose(made.reshape(wanted.shape), wanted, atol=tolerance)
    )


def has_tokens_first(call: Call) -> bool:
    """Whether a call is of [T, S, ...]."""
    return call.given.dim() > 2 and call.given.shape[0] != SEQUENCES == call.given.shape[1]


def is_shared(call: Call) -> bool:
    """Whether a call belongs to no sequence: its rows are neither those of S sequences nor of S x T positions."""
    return call.given.shape[0] not in (SEQUENCES, SEQUENCES * TOKENS) and not has_tokens_first(call)
