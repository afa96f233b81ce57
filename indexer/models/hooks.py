"""Hooks that are always removed: every hook of attridex lives inside one of these context managers."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from transformers.pytorch_utils import Conv1D

from attridex.indexer.errors import InputError
from attridex.indexer.models.architectures import Architecture, Site, known
from attridex.indexer.models.low_rank import OnGradient, OnInput
from attridex.indexer.structure.calls import first_tensor, has_decoder, with_first
from attridex.indexer.structure.experts import ExpertSight, ExpertWeight, FusedExperts, Routing, routed_by, seen_experts
from attridex.indexer.structure.parts import LinearLayer
from attridex.indexer.structure.uses import LinearUse

Edit = Callable[[int, Tensor, Routing | None], Tensor]
"""edit(layer, activations, where they are routed) -> the edited ones."""


class Turns:
    """Which layer a call of a module is of: a module that layers share is called once for each, in their order."""

    def __init__(self, modules: Iterable[tuple[int, nn.Module]]) -> None:
        """The modules of the layers, each with its layer's number."""
        self.layers: dict[nn.Module, list[int]] = {}
        for layer, module in modules:
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
def edited_ffn(arch: Architecture, site: Site, edit: Edit) -> Iterator[None]:
    """Let `edit(layer, x, routing)` replace the activations of every layer at a site.

    `post` is the input of the FFN's output projection, `pre` the output of its first linear layer, `head` the input of the
    attention's output projection. `x` comes in the shape that the family gives it, [S, T, F] or flattened to 2-D. In a mixture
    of experts it holds the units of the experts that each token is routed to; `routing` says which, and is None elsewhere.

    Raises:
        InputError: a layer's part was not called once a pass.
    """
    swapped = arch.structure.tokens_first
    turns = Turns(edited_modules(arch, site))

    def changed(module: nn.Module, x: Tensor, routing: Routing | None = None) -> Tensor:
        layer = turns.layer(module)
        return edit(layer, x.transpose(0, 1), None).transpose(0, 1) if swapped and x.dim() == 3 else edit(layer, x, routing)

    def before(module: nn.Module, args: tuple[Any, ...]) -> Any:
        return (changed(module, args[0]), *args[1:])

    def after(module: nn.Module, _args: Any, output: Tensor) -> Any:
        return changed(module, output)

    with ExitStack() as hooks:
        for module in turns.layers:
            if site == "post" and module in arch.structure.experts:
                sight = ExpertSight(units=partial(changed, module))
                hooks.enter_context(seen_experts(arch.structure.experts[module], sight))
            elif site == "pre":
                hooks.enter_context(module.register_forward_hook(after))
            else:
                hooks.enter_context(module.register_forward_pre_hook(before))
        yield
    turns.check(arch.where)


def edited_modules(arch: Architecture, site: Site) -> list[tuple[int, nn.Module]]:
    """The modules that are edited at a site, each with the number of its layer."""
    if site == "head":
        return list(enumerate(arch.attention_out))
    dense = [(layer, ffn.first if site == "pre" else ffn.out) for layer, ffn in enumerate(arch.shared) if ffn]
    return dense + [(layer, experts.module) for layer, experts in enumerate(arch.mixtures) if experts]


@contextmanager
def routing_held(arch: Architecture, route: Callable[[Routing], Routing]) -> Iterator[None]:
    """Let `route` say where every layer's tokens are routed, in a mixture of experts."""
    with ExitStack() as hooks:
        for experts in arch.structure.experts.values():
            hooks.enter_context(routed_by(experts, route))
        yield


@contextmanager
def captured_linear(
    layers: Mapping[str, LinearLayer],
    on_input: OnInput,
    on_gradient: OnGradient,
    uses: Mapping[str, LinearUse],
) -> Iterator[None]:
    """See each linear layer's input and the gradient of its output.

    Args:
        layers: by name.
        on_input: `on_input(name, a, experts)` gives what is kept of the input until the backward pass. Of fused experts a row
            is a token with one of its experts, which `experts` names; it is None elsewhere.
        on_gradient: `on_gradient(name, kept, delta)` takes it there.
        uses: how a pass uses each of them.
    """

    def see(name: str, x: Tensor, output: Tensor, experts: Tensor | None = None) -> Tensor:
        def ordered(values: Tensor) -> Tensor:
            return values.transpose(0, 1) if uses[name].tokens_first and values.dim() == 3 else values

        if not torch.is_grad_enabled():  # what a model computes without gradients has none
            return output
        kept = on_input(name, ordered(x.detach()), experts)
        if not output.requires_grad:  # made of parameters alone, as a table of distances
            output = output.detach().requires_grad_(True).clone()  # a leaf may not be added to in place
        output = output.clone() if uses[name].rewritten else output  # what is written over may lose its hook
        output.register_hook(lambda delta: on_gradient(name, kept, ordered(delta)))
        return output

    def called(name: str, _module: nn.Module, args: tuple[Tensor, ...], output: Any) -> Any:
        return with_first(output, see(name, args[0], known(first_tensor(output))))  # some routers give more than their product

    with ExitStack() as hooks:
        for name, layer in layers.items():
            if isinstance(layer, nn.Linear | Conv1D) and not uses[name].passed_by:
                hooks.enter_context(layer.register_forward_hook(partial(called, name)))
        products = {name: layer for name, layer in layers.items() if uses[name].passed_by and isinstance(layer, nn.Module)}
        if products:  # a mode costs a little at every function of torch
            hooks.enter_context(WeightUse({layer.weight: partial(see, name) for name, layer in products.items()}))
        for experts, sight in expert_sights(layers, see):
            hooks.enter_context(seen_experts(experts, sight))
        yield


def expert_sights(layers: Mapping[str, LinearLayer], see: Callable[..., Tensor]) -> Iterator[tuple[FusedExperts, ExpertSight]]:
    """What is seen of each layer's fused experts, of which one weight or both may be asked for."""
    fused = {name: layer for name, layer in layers.items() if isinstance(layer, ExpertWeight)}
    for experts in {layer.experts.name: layer.experts for layer in fused.values()}.values():
        first, last = [partial(see, name) if name in fused else None for name in experts.weights]
        yield experts, ExpertSight(first=first, last=last)


PRODUCTS = (torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__)
"""What `weight @ x` may be to torch."""


CASTS = (torch.Tensor.type, torch.Tensor.to, torch.Tensor.float)
"""What gives a weight in another element type: routers compute in float32."""


class WeightUse(TorchFunctionMode):
    """Sees what is multiplied by weights while it is open, whatever code does it."""

    def __init__(self, seen: Mapping[Any, Callable[[Tensor, Tensor], Tensor]]) -> None:
        """`see(input, output)` of a weight is called at each product, and gives what goes on."""
        super().__init__()
        self._seen = {id(weight): see for weight, see in seen.items()}
        self._casts: list[Tensor] = []  # kept, so that no other tensor gets the id of one

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Any function of torch; see `TorchFunctionMode`."""
        found = function(*args, **(kwargs or {}))
        if function in CASTS and id(args[0]) in self._seen:
            self._seen[id(found)] = self._seen[id(args[0])]
            self._casts.append(found)
        if function is F.linear and (see := self._seen.get(id(args[1]))):
            return see(args[0], found)
        if function in PRODUCTS and (see := self._seen.get(id(args[0]))):  # of columns
            return see(args[1].transpose(-1, -2), found.transpose(-1, -2)).transpose(-1, -2)
        return found


@contextmanager
def differentiable_inputs(arch: Architecture) -> Iterator[None]:
    """Let gradients flow from the input embeddings on, while every parameter stays frozen."""
    parts = [arch.model.get_encoder(), arch.model.get_decoder()] if has_decoder(arch.model) else []
    embeddings = {part.get_input_embeddings() for part in (arch.model, *parts)}

    def start(_module: nn.Module, _args: Any, output: Any) -> Any:
        leaf = known(first_tensor(output)).detach().requires_grad_(True)
        return with_first(output, leaf.clone())  # some models multiply it in place, which a leaf does not allow

    with ExitStack() as hooks, torch.enable_grad():
        for module in embeddings:
            hooks.enter_context(module.register_forward_hook(start))
        yield
