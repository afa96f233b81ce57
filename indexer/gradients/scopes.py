"""Gradient scopes: which parameters' gradients an index holds, one function a scope."""

import re
from collections.abc import Callable
from functools import partial

from attridex.indexer.config import GradientsConfig
from attridex.indexer.errors import InputError, nearest
from attridex.indexer.gradients.gradients import Gradients, HeadGradients, LayerGradients
from attridex.indexer.gradients.sketches import make_sketch
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.models.hooks import captured_linear
from attridex.indexer.models.low_rank import captured_factors, factor_layers
from attridex.indexer.structure.parts import LinearLayer
from attridex.indexer.tasks.objective import Objective

GradientScope = Callable[[Architecture, Objective, GradientsConfig], Gradients]
"""A value of `gradients.parameters`: the way to take these gradients of a model.

It raises InputError where the model has no such parameters, or the projection does not fit them.
"""


def head_scope(arch: Architecture, objective: Objective, config: GradientsConfig) -> Gradients:
    """The head's weight, from the forward pass alone."""
    return HeadGradients(arch, objective, make_sketch({"head": arch.head}, config, whole="head"))


def linear_scope(choose: Callable[[Architecture], dict[str, LinearLayer]]) -> GradientScope:
    """Linear layers of the model, by name, as `choose` gives them."""

    def scope(arch: Architecture, objective: Objective, config: GradientsConfig) -> Gradients:
        layers = choose(arch)
        uses = {name: arch.uses[name] for name in layers}
        arch.check_layers(list(layers))
        capture = partial(captured_linear, layers, uses=uses)
        return LayerGradients(arch, objective, capture, make_sketch(layers, config), uses)

    return scope


def adapter_scope(arch: Architecture, objective: Objective, config: GradientsConfig) -> Gradients:
    """The LoRA weights of the model's adapter; an adapted output layer is refused, whose gradients are not taken."""
    embedding = getattr(arch.model, "get_output_embeddings", lambda: None)()
    for name in arch.adapter:
        if arch.model.get_submodule(name) is embedding:
            raise InputError(
                f'gradients.parameters = "adapter": the adapter adapts {name}, the output layer, whose gradients are not '
                'taken; use "linear" or "mlp", gradients of the merged model'
            )
    sketch = make_sketch(factor_layers(arch.adapter), config)
    arch.check_layers(list(arch.adapter))
    uses = {f"{name}.{weight}": arch.structure.uses[name] for name, pair in arch.adapter.items() for weight in pair.weights}
    swapped = frozenset(name for name in arch.adapter if arch.structure.uses[name].tokens_first)
    capture = partial(captured_factors, arch.model, arch.adapter, tokens_first=swapped)
    return LayerGradients(arch, objective, capture, sketch, uses)


SCOPES: dict[str, GradientScope] = {
    "head": head_scope,
    "linear": linear_scope(Architecture.linear_layers),
    "mlp": linear_scope(Architecture.ffn_layers),
    "adapter": adapter_scope,
}
"""The scopes that have a name; any other is a regular expression over the names of linear layers."""


def make_gradients(arch: Architecture, objective: Objective, config: GradientsConfig) -> Gradients:
    """The way to take gradients that a configuration asks for; see `GradientScope` for what it raises."""
    scope = SCOPES.get(config.parameters) or linear_scope(partial(layers_named, expression=config.parameters))
    return scope(arch, objective, config)


def layers_named(arch: Architecture, expression: str) -> dict[str, LinearLayer]:
    """Linear layers whose name a regular expression fits.

    Raises:
        InputError: not a regular expression, or it fits no linear layer.
    """
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise InputError(
            f'gradients.parameters = "{expression}": not "head", "mlp", "linear" or a regular expression ({error})'
        ) from None
    layers = arch.linear_layers(pattern.search)
    if not layers:
        raise InputError(
            f'gradients.parameters = "{expression}" fits no linear layer; {nearest(expression, ["head", "mlp", "linear"])}; '
            f"layers have names such as {next(reversed(arch.linear_layers()))}"
        )
    return layers
