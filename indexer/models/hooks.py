"""Hooks that are always removed: every hook of attridex lives inside one of these context managers."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from attridex.indexer.models.architectures import Architecture, Site
from attridex.indexer.models.low_rank import OnGradient, OnInput


@contextmanager
def edited_ffn(arch: Architecture, site: Site, edit: Callable[[int, Tensor], Tensor]) -> Iterator[None]:
    """Let `edit(layer, x)` replace the activations of every layer at a site.

    `post` is the input of the FFN's output projection, `pre` the output of its first linear layer, `head` the input of the
    attention's output projection. `x` comes in the shape that the family gives it: 3-D, or flattened to 2-D.
    """

    def before(layer: int) -> Callable[..., Any]:
        return lambda _module, args: (edit(layer, args[0]), *args[1:])

    def after(layer: int) -> Callable[..., Any]:
        return lambda _module, _args, output: edit(layer, output)

    with ExitStack() as hooks:
        for layer in range(len(arch.layers)):
            if site == "pre":
                hooks.enter_context(arch.ffn_in[layer].register_forward_hook(after(layer)))
            else:
                module = arch.ffn_out[layer] if site == "post" else arch.attention_out[layer]
                hooks.enter_context(module.register_forward_pre_hook(before(layer)))
        yield


@contextmanager
def captured_linear(layers: dict[str, nn.Module], on_input: OnInput, on_gradient: OnGradient) -> Iterator[None]:
    """See each linear layer's input and the gradient of its output.

    `on_input(name, a)` gives what is kept of the input until `on_gradient(name, kept, delta)` takes it in the backward pass.
    """

    def hook(name: str) -> Callable[..., None]:
        def seen(_module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
            kept = on_input(name, args[0].detach())
            output.register_hook(lambda delta: on_gradient(name, kept, delta))

        return seen

    with ExitStack() as hooks:
        for name, module in layers.items():
            hooks.enter_context(module.register_forward_hook(hook(name)))
        yield


@contextmanager
def differentiable_inputs(arch: Architecture) -> Iterator[None]:
    """Let gradients flow from the input embeddings on, while every parameter stays frozen."""
    embeddings = arch.model.get_input_embeddings()  # type: ignore[operator]

    def start(_module: nn.Module, _args: Any, output: Tensor) -> Tensor:
        return output.detach().requires_grad_(True)

    with embeddings.register_forward_hook(start), torch.enable_grad():
        yield
