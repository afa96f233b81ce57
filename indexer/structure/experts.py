"""Mixtures of experts, whose weights are fused: one parameter [E, ., .] for all experts of a layer, and no linear layers.

A module of fused experts is called with states [N, h], the experts that each token is routed to [N, k], and their weights [N, k].
Here the same is computed token by expert, in the open: what stands before and behind the nonlinearity can be seen and edited.
Letters: N tokens, k experts of a token, E experts, F units of an expert, h hidden size, S = N k pairs of a token and an expert.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attridex.indexer.structure.staging import replaced_forward

DOWN = "down_proj"
"""What transformers calls the experts' output projection."""
UPS = ("gate_up_proj", "up_proj")
"""What it calls their first one, gated or not."""


class Routing(NamedTuple):
    """The experts that tokens are routed to, and what their outputs are multiplied by."""

    experts: Int[Tensor, "*N k"]
    weights: Float[Tensor, "*N k"]

    def reshape(self, *shape: int) -> "Routing":
        """The same for tokens in another shape."""
        return Routing(self.experts.reshape(*shape, -1), self.weights.reshape(*shape, self.weights.shape[-1]))

    def at(self, where: Any) -> "Routing":
        """Of some of the tokens."""
        return Routing(self.experts[where], self.weights[where])


@dataclass(frozen=True)
class ExpertWeight:
    """A fused weight: the linear layers of all experts, one below the other.

    Attributes:
        experts: whose it is.
        parameter: its name in their module.
    """

    experts: "FusedExperts"
    parameter: str

    @property
    def shape(self) -> tuple[int, int]:
        """(outputs of all experts, inputs)."""
        up = self.parameter != DOWN
        outputs, inputs = (self.experts.wide, self.experts.hidden) if up else (self.experts.hidden, self.experts.units)
        return self.experts.count * outputs, inputs


@dataclass(frozen=True)
class FusedExperts:
    """The experts of a layer.

    Attributes:
        name: of their module in the model.
        module: the module.
        up: name of their first weight.
        count: how many, E.
        units: FFN units of one, F.
        hidden: h.
        adds: what their output counts in their block's output, which adds it; None where that is no such sum.
    """

    name: str
    module: Any
    up: str
    count: int
    units: int
    hidden: int
    adds: float | None = None

    @property
    def wide(self) -> int:
        """Outputs of an expert's first projection: 2 F where it is gated."""
        return self.units * (2 if self.module.has_gate else 1)

    @property
    def weights(self) -> dict[str, ExpertWeight]:
        """Their fused weights, by name in the model."""
        return {f"{self.name}.{parameter}": ExpertWeight(self, parameter) for parameter in (self.up, DOWN)}

    def rows(self, x: Float[Tensor, "S i"], experts: Int[Tensor, " S"], parameter: str) -> Float[Tensor, "S o"]:
        """Each row through the linear layer of its expert."""
        bias = getattr(self.module, f"{parameter}_bias", None)
        out = self.by_expert(x, experts, lambda part, at: part @ self.weight(at, parameter).T)
        return out if bias is None else out + bias[experts]

    def by_expert(
        self, x: Float[Tensor, "S i"], experts: Int[Tensor, " S"], apply: Callable[[Tensor, int], Tensor]
    ) -> Float[Tensor, "S o"]:
        """What `apply` gives for the rows of each expert, in the order of the rows."""
        order = experts.argsort(stable=True)
        parts = x[order].split(experts.bincount(minlength=self.count).tolist())
        return torch.cat([apply(part, at) for at, part in enumerate(parts) if len(part)])[order.argsort()]

    def weight(self, expert: int, parameter: str) -> Float[Tensor, "o i"]:
        """The weight of one expert's linear layer; gpt-oss keeps it transposed."""
        weight: Tensor = getattr(self.module, parameter)[expert]
        return weight.T if self.module.is_transposed else weight

    def activated(self, x: Float[Tensor, "S wide"]) -> Float[Tensor, "S F"]:
        """What stands behind the nonlinearity."""
        found: Tensor = self.module._apply_gate(x) if self.module.has_gate else self.module.act_fn(x)
        return found

    def through(self, a: Float[Tensor, "N k*F"], routing: Routing) -> Float[Tensor, "N h"]:
        """What activations add to the experts' output, biases apart."""
        pairs, experts = a.reshape(-1, self.units), routing.experts.reshape(-1)
        return weighted(self.by_expert(pairs, experts, lambda part, at: part @ self.weight(at, DOWN).T), routing).to(a.dtype)

    def back_through(self, delta: Float[Tensor, "N h"], routing: Routing) -> Float[Tensor, "N k*F"]:
        """The gradient in the activations, of one in the experts' output."""
        pairs = (delta[:, None] * routing.weights[..., None]).to(self.module.down_proj.dtype).reshape(-1, self.hidden)
        experts = routing.experts.reshape(-1)
        return self.by_expert(pairs, experts, lambda part, at: part @ self.weight(at, DOWN)).reshape(len(delta), -1)

    def spread(self, values: Float[Tensor, "N k*F"], routing: Routing) -> Float[Tensor, "N E*F"]:
        """Values of the routed experts' units among those of all; 0 elsewhere."""
        own = values.reshape(len(values), -1, self.units)
        where = routing.experts[..., None].expand_as(own)
        return own.new_zeros(len(own), self.count, self.units).scatter(1, where, own).flatten(1)

    def gathered(self, values: Float[Tensor, "*N E*F"], routing: Routing) -> Float[Tensor, "*N k*F"]:
        """Values of all experts' units, those of the routed ones alone."""
        every = values.unflatten(-1, (self.count, self.units))
        where = routing.experts[..., None].expand(*routing.experts.shape, self.units)
        found: Tensor = every.gather(-2, where).flatten(-2)
        return found


def weighted(pairs: Float[Tensor, "S h"], routing: Routing) -> Float[Tensor, "N h"]:
    """The sum of a token's experts' outputs, each times its weight."""
    return (pairs.reshape(*routing.weights.shape, -1) * routing.weights[..., None]).sum(-2)


def fused_experts(model: nn.Module) -> dict[nn.Module, FusedExperts]:
    """The fused experts of all layers, those whose way of computing is known here, by their module."""
    found = {module: fused(name, module) for name, module in model.named_modules() if is_fused(module)}
    return {module: experts for module, experts in found.items() if computes(experts)}


@torch.no_grad()
def computes(experts: FusedExperts) -> bool:
    """Whether experts give in the open what their module gives, on a tiny input."""
    weight = experts.module.down_proj
    states = torch.linspace(-1, 1, 3 * experts.hidden, device=weight.device, dtype=weight.dtype).reshape(3, -1)
    routing = Routing(
        torch.arange(3, device=weight.device)[:, None] % experts.count, torch.tensor([[0.5], [0.25], [1.0]]).to(states)
    )
    expected = experts.module(states, *routing)
    found = run_experts(experts, ExpertSight(), states, routing)
    rtol = 5e-2 if weight.dtype in (torch.float16, torch.bfloat16) else 1e-4
    return torch.allclose(found, expected, rtol=rtol, atol=rtol * float(expected.abs().max()))


def unknown_experts(model: nn.Module, known: Iterable[nn.Module]) -> list[str]:
    """Names of weights of many experts at once in a form that is not known here."""
    seen = set(known)
    others = {name: module for name, module in model.named_modules() if "Expert" in type(module).__name__ and module not in seen}
    held = {name: dict(module.named_parameters(recurse=False)) for name, module in others.items()}
    return [f"{name}.{key}" for name, own in held.items() for key, weight in own.items() if weight.dim() == 3]


def is_fused(module: Any) -> bool:
    """Whether a module holds fused experts, in the way of transformers' own, and nothing behind their output projection."""
    own = dict(module.named_parameters(recurse=False))
    named = all(hasattr(module, name) for name in ("has_gate", "is_transposed", "has_post_expert_norm"))
    return named and not module.has_post_expert_norm and DOWN in own and own[DOWN].dim() == 3 and any(up in own for up in UPS)


def fused(name: str, module: Any) -> FusedExperts:
    """A module of fused experts, with its sizes."""
    count, *sides = module.down_proj.shape
    units, hidden = sides if module.is_transposed else reversed(sides)
    return FusedExperts(name, module, next(up for up in UPS if hasattr(module, up)), count, units, hidden)


def routers(model: nn.Module, blocks: Iterable[nn.Module], experts: FusedExperts) -> dict[str, nn.Module]:
    """What routes tokens to experts and is no linear layer of its own, by name: modules of their block with a weight [E, h]."""
    block = next((block for block in blocks if experts.module in set(block.modules())), None)
    inside = set() if block is None else {module for module in block.modules() if not isinstance(module, nn.Linear)}
    own = {name: dict(module.named_parameters(recurse=False)) for name, module in model.named_modules() if module in inside}
    shape = (experts.count, experts.hidden)
    return {name: model.get_submodule(name) for name, held in own.items() if "weight" in held and held["weight"].shape == shape}


@dataclass(frozen=True)
class ExpertSight:
    """What is done with tensors on their way through a layer's experts; each function gives back what goes on.

    Attributes:
        first: sees the inputs of the first projection and its outputs [S, .], with the expert of each pair.
        units: sees the activations [N, k F].
        last: like `first`, of the output projection.
    """

    first: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None
    units: Callable[[Tensor, Routing], Tensor] | None = None
    last: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None


def run_experts(experts: FusedExperts, sight: ExpertSight, states: Tensor, routing: Routing) -> Float[Tensor, "N h"]:
    """The output of a layer's experts, as their module gives it.

    Args:
        experts: of the layer.
        sight: what sees and edits on the way.
        states: of the tokens [N, h].
        routing: theirs.
    """
    pairs, times = routing.experts.reshape(-1), routing.experts.shape[-1]
    x = states.repeat_interleave(times, 0)
    up = experts.rows(x, pairs, experts.up)
    if sight.first:
        up = sight.first(x, up, pairs)
    a = experts.activated(up)
    if sight.units:
        a = sight.units(a.reshape(len(states), -1), routing).reshape(a.shape)
    down = experts.rows(a, pairs, DOWN)
    if sight.last:
        down = sight.last(a, down, pairs)
    return weighted(down, routing).to(states.dtype)


def seen_experts(experts: FusedExperts, sight: ExpertSight) -> AbstractContextManager[None]:
    """Let a layer's experts run in the open while this is open."""

    def forward(states: Tensor, index: Tensor, weights: Tensor) -> Tensor:
        return run_experts(experts, sight, states, Routing(index, weights))

    return replaced_forward(experts.module, forward)


@contextmanager
def routed_by(experts: FusedExperts, route: Callable[[Routing], Routing]) -> Iterator[None]:
    """Let `route` give the routing that takes the place of the model's while this is open."""

    def before(_module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        states, index, weights = args
        return (states, *route(Routing(index, weights)))

    with experts.module.register_forward_pre_hook(before):
        yield
