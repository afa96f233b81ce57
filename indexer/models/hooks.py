"""Hooks that are always removed: every hook of attridex lives inside one of these context managers."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from transformers.pytorch_utils import Conv1D

from attridex.indexer.models.architectures import Architecture, LinearLayer, Site
from attridex.indexer.models.experts import ExpertSight, ExpertWeight, FusedExperts, Routing, routed_by, seen_experts
from attridex.indexer.models.low_rank import OnGradient, OnInput

Edit = Callable[[int, Tensor, Routing | None], Tensor]
"""edit(layer, activations, where they are routed) -> the edited ones."""


@contextmanager
def edited_ffn(arch: Architecture, site: Site, edit: Edit) -> Iterator[None]:
    """Let `edit(layer, x, routing)` replace the activations of every layer at a site.

    `post` is the input of the FFN's output projection, `pre` the output of its first linear layer, `head` the input of the
    attention's output projection. `x` comes in the shape that the family gives it: 3-D, or flattened to 2-D. In a mixture of
    experts it holds the units of the experts that each token is routed to; `routing` says which, and is None elsewhere.
    """

    def before(layer: int) -> Callable[..., Any]:
        return lambda _module, args: (edit(layer, args[0], None), *args[1:])

    def after(layer: int) -> Callable[..., Any]:
        return lambda _module, _args, output: edit(layer, output, None)

    with ExitStack() as hooks:
        for layer in range(len(arch.layers)):
            experts, first, last = arch.mixtures[layer], arch.ffn_in[layer], arch.ffn_out[layer]
            if site == "head":
                hooks.enter_context(arch.attention_out[layer].register_forward_pre_hook(before(layer)))
            elif experts and site == "post":
                hooks.enter_context(seen_experts(experts, ExpertSight(units=partial(edit, layer))))
            elif first and site == "pre":
                hooks.enter_context(first.register_forward_hook(after(layer)))
            elif last:
                hooks.enter_context(last.register_forward_pre_hook(before(layer)))
        yield


@contextmanager
def routing_held(arch: Architecture, route: Callable[[Routing], Routing]) -> Iterator[None]:
    """Let `route` say where every layer's tokens are routed, in a mixture of experts."""
    with ExitStack() as hooks:
        for experts in filter(None, arch.mixtures):
            hooks.enter_context(routed_by(experts, route))
        yield


@contextmanager
def captured_linear(layers: Mapping[str, LinearLayer], on_input: OnInput, on_gradient: OnGradient) -> Iterator[None]:
    """See each linear layer's input and the gradient of its output.

    `on_input(name, a, experts)` gives what is kept of the input until `on_gradient(name, kept, delta)` takes it in the backward
    pass. Of fused experts a row is a token with one of its experts, which `experts` names; it is None elsewhere.
    """

    def see(name: str, x: Tensor, output: Tensor, experts: Tensor | None = None) -> None:
        kept = on_input(name, x.detach(), experts)
        output.register_hook(lambda delta: on_gradient(name, kept, delta))

    with ExitStack() as hooks:
        for name, layer in layers.items():
            if isinstance(layer, nn.Linear | Conv1D):
                hooks.enter_context(layer.register_forward_hook(lambda _module, args, out, name=name: see(name, args[0], out)))
            elif isinstance(layer, nn.Module):
                hooks.enter_context(product_seen(layer, partial(see, name)))
        for experts, sight in expert_sights(layers, see):
            hooks.enter_context(seen_experts(experts, sight))
        yield


def expert_sights(layers: Mapping[str, LinearLayer], see: Callable[..., None]) -> Iterator[tuple[FusedExperts, ExpertSight]]:
    """What is seen of each layer's fused experts, of which one weight or both may be asked for."""
    fused = {name: layer for name, layer in layers.items() if isinstance(layer, ExpertWeight)}
    for experts in {layer.experts.name: layer.experts for layer in fused.values()}.values():
        first, last = [partial(see, name) if name in fused else None for name in experts.weights]
        yield experts, ExpertSight(first=first, last=last)


class WeightUse(TorchFunctionMode):
    """Sees what is multiplied by a weight while it is open."""

    def __init__(self, weight: Tensor, see: Callable[[Tensor, Tensor], None]) -> None:
        """`see(input, output)` is called at each product."""
        super().__init__()
        self._weight, self._see = weight, see

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Any function of torch; see `TorchFunctionMode`."""
        found = function(*args, **(kwargs or {}))
        if function is F.linear and args[1] is self._weight:
            self._see(args[0], found)
        return found


@contextmanager
def product_seen(module: nn.Module, see: Callable[[Tensor, Tensor], None]) -> Iterator[None]:
    """See what a module multiplies by its weight, and the product: of a router, which is no linear layer and gives more."""
    weight, original = module.get_parameter("weight"), module.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        with WeightUse(weight, see):
            return original(*args, **kwargs)

    module.forward = forward
    try:
        yield
    finally:
        del module.forward


@contextmanager
def differentiable_inputs(arch: Architecture) -> Iterator[None]:
    """Let gradients flow from the input embeddings on, while every parameter stays frozen."""
    embeddings = arch.model.get_input_embeddings()  # type: ignore[operator]

    def start(_module: nn.Module, _args: Any, output: Tensor) -> Tensor:
        return output.detach().requires_grad_(True)

    with embeddings.register_forward_hook(start), torch.enable_grad():
        yield
