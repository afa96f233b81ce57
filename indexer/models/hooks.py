"""Hooks that are always removed: every hook of attridex lives inside one of these context managers."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from attridex.indexer.errors import InputError
from attridex.indexer.models.architectures import Architecture, Site
from attridex.indexer.models.low_rank import OnGradient, OnInput
from attridex.indexer.structure.calls import encodes


class Turns:
    """Which layer a call of a module is of: a module that layers share is called once for each, in their order."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        """The module of each layer."""
        self.layers: dict[nn.Module, list[int]] = {}
        for layer, module in enumerate(modules):
            self.layers.setdefault(module, []).append(layer)
        self._calls: Counter[nn.Module] = Counter()

    def layer(self, module: nn.Module) -> int:
        """The layer that a module is called for now."""
        own = self.layers[module]
        self._calls[module] += 1
        return own[(self._calls[module] - 1) % len(own)]

    def check(self, where: str) -> None:
        """Refuse modules that were not called once for each of their layers.

        Raises:
            InputError: one was not, so an answer would silently leave a layer out.
        """
        passes = {module: self._calls[module] / len(own) for module, own in self.layers.items()}
        if len({*passes.values()}) != 1 or not all(count.is_integer() and count for count in passes.values()):
            raise InputError(f"{where}: a layer's part was not called once a pass, as it was when the model was loaded")


@contextmanager
def edited_ffn(arch: Architecture, site: Site, edit: Callable[[int, Tensor], Tensor]) -> Iterator[None]:
    """Let `edit(layer, x)` replace the activations of every layer at a site.

    `post` is the input of the FFN's output projection, `pre` the output of its first linear layer, `head` the input of the
    attention's output projection. `x` comes in the shape that the family gives it, [S, T, F] or flattened to 2-D.

    Raises:
        InputError: a layer's part was not called once a pass.
    """
    swapped = arch.structure.tokens_first
    turns = Turns({"pre": [ffn.first for ffn in arch.ffns], "post": arch.ffn_out, "head": arch.attention_out}[site])

    def changed(module: nn.Module, x: Tensor) -> Tensor:
        layer = turns.layer(module)
        return edit(layer, x.transpose(0, 1)).transpose(0, 1) if swapped and x.dim() == 3 else edit(layer, x)

    def before(module: nn.Module, args: tuple[Any, ...]) -> Any:
        return (changed(module, args[0]), *args[1:])

    def after(module: nn.Module, _args: Any, output: Tensor) -> Any:
        return changed(module, output)

    with ExitStack() as hooks:
        for module in turns.layers:
            add = module.register_forward_hook(after) if site == "pre" else module.register_forward_pre_hook(before)
            hooks.enter_context(add)
        yield
    turns.check(arch.where)


@contextmanager
def captured_linear(
    layers: dict[str, nn.Module], on_input: OnInput, on_gradient: OnGradient, tokens_first: frozenset[str] = frozenset()
) -> Iterator[None]:
    """See each linear layer's input and the gradient of its output.

    Args:
        layers: by name.
        on_input: `on_input(name, a)` gives what is kept of the input until the backward pass.
        on_gradient: `on_gradient(name, kept, delta)` takes it there.
        tokens_first: layers that are given [T, S, i] instead of [S, T, i].
    """

    def hook(name: str) -> Callable[..., Tensor]:
        def ordered(x: Tensor) -> Tensor:
            return x.transpose(0, 1) if name in tokens_first and x.dim() == 3 else x

        def seen(_module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
            kept = on_input(name, ordered(args[0].detach()))
            if not output.requires_grad:  # made of parameters alone, as a table of distances
                output = output.detach().requires_grad_(True)
            output.register_hook(lambda delta: on_gradient(name, kept, ordered(delta)))
            return output

        return seen

    with ExitStack() as hooks:
        for name, module in layers.items():
            hooks.enter_context(module.register_forward_hook(hook(name)))
        yield


@contextmanager
def differentiable_inputs(arch: Architecture) -> Iterator[None]:
    """Let gradients flow from the input embeddings on, while every parameter stays frozen."""
    parts = [arch.model.get_encoder(), arch.model.get_decoder()] if encodes(arch.model) else []
    embeddings = {part.get_input_embeddings() for part in (arch.model, *parts)}

    def start(_module: nn.Module, _args: Any, output: Tensor) -> Tensor:
        return output.detach().requires_grad_(True)

    with ExitStack() as hooks, torch.enable_grad():
        for module in embeddings:
            hooks.enter_context(module.register_forward_hook(start))
        yield
