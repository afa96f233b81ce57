"""Gradient scopes: which parameters' gradients an index holds, one object a scope."""

import re
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

from torch import nn

from attridex.indexer.config import GradientsConfig
from attridex.indexer.errors import InputError, nearest
from attridex.indexer.gradients.gradients import Capture, Gradients, HeadGradients, LayerGradients
from attridex.indexer.gradients.sketches import make_sketch
from attridex.indexer.models.adapters import captured_factors, factor_layers
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.models.hooks import captured_linear
from attridex.indexer.models.objectives import Objective


@runtime_checkable
class GradientScope(Protocol):
    """A value of `gradients.parameters`."""

    def gradients(self, arch: Architecture, objective: Objective, config: GradientsConfig) -> Gradients:
        """The way to take these gradients.

        Raises:
            InputError: the model has no such parameters, or the projection does not fit them.
        """
        ...


class HeadScope:
    """The head's weight, from the forward pass alone."""

    def gradients(self, arch: Architecture, objective: Objective, config: GradientsConfig) -> Gradients:
        """See `GradientScope.gradients`."""
        return HeadGradients(arch, objective, config.resolved_projection, config.dim, config.seed)


class LinearScope:
    """Every linear layer but the head and the output embedding."""

    def gradients(self, arch: Architecture, objective: Objective, config: GradientsConfig) -> Gradients:
        """See `GradientScope.gradients`."""
        return of_linear_layers(arch, arch.linear_layers(), objective, config)


class FfnScope:
    """The linear layers of the FFNs."""

    def gradients(self, arch: Architecture, objective: Objective, config: GradientsConfig) -> Gradients:
        """See `GradientScope.gradients`."""
        return of_linear_layers(arch, arch.ffn_layers(), objective, config)


class AdapterScope:
    """The LoRA weights of the model's adapter."""

    def gradients(self, arch: Architecture, objective: Objective, config: GradientsConfig) -> Gradients:
        """See `GradientScope.gradients`; an adapted output layer is refused, whose gradients are not taken."""
        embedding = getattr(arch.model, "get_output_embeddings", lambda: None)()
        for name in arch.adapter:
            if arch.model.get_submodule(name) is embedding:
                raise InputError(
                    f'gradients.parameters = "adapter": the adapter adapts {name}, the output layer, whose gradients are not '
                    'taken; use "linear" or "mlp", gradients of the merged model'
                )
        capture = partial(captured_factors, arch.model, arch.adapter)
        return of_layers(arch, factor_layers(arch.adapter), capture, objective, config)


@dataclass(frozen=True)
class PatternScope:
    """Linear layers whose name a regular expression fits."""

    expression: str

    def gradients(self, arch: Architecture, objective: Objective, config: GradientsConfig) -> Gradients:
        """See `GradientScope.gradients`."""
        pattern = self._pattern()
        layers = {name: module for name, module in arch.linear_layers().items() if pattern.search(name)}
        if not layers:
            raise InputError(
                f'gradients.parameters = "{self.expression}" fits no linear layer; '
                f"{nearest(self.expression, ['head', 'mlp', 'linear'])}; "
                f"layers have names such as {next(reversed(arch.linear_layers()))}"
            )
        return of_linear_layers(arch, layers, objective, config)

    def _pattern(self) -> re.Pattern[str]:
        try:
            return re.compile(self.expression)
        except re.error as error:
            raise InputError(
                f'gradients.parameters = "{self.expression}": not "head", "mlp", "linear" or a regular expression ({error})'
            ) from None


SCOPES: dict[str, GradientScope] = {
    "head": HeadScope(),
    "linear": LinearScope(),
    "mlp": FfnScope(),
    "adapter": AdapterScope(),
}


def make_gradients(arch: Architecture, objective: Objective, config: GradientsConfig) -> Gradients:
    """The way to take gradients that a configuration asks for; see `GradientScope.gradients` for what it raises."""
    scope = SCOPES.get(config.parameters) or PatternScope(config.parameters)
    return scope.gradients(arch, objective, config)


def of_linear_layers(
    arch: Architecture, layers: dict[str, nn.Module], objective: Objective, config: GradientsConfig
) -> LayerGradients:
    """Gradients of the model's own linear layers."""
    return of_layers(arch, layers, partial(captured_linear, layers), objective, config)


def of_layers(
    arch: Architecture, layers: dict[str, nn.Module], capture: Capture, objective: Objective, config: GradientsConfig
) -> LayerGradients:
    """Gradients of layers that `capture` shows.

    Args:
        arch: the model.
        layers: linear layers by name.
        capture: opened around a pass, shows their inputs and output gradients.
        objective: whose loss is taken.
        config: the projection and its size.
    """
    sketch = make_sketch(layers, config.resolved_projection, config.dim, config.seed)
    return LayerGradients(arch, objective, capture, sketch)
