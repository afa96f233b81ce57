"""The weights of a LoRA, and their gradients, which are read off the layers that it is merged into.

A LoRA layer computes y = W x + s (B A x + c), its own bias c being 0 unless `lora_bias`; with DoRA, y = f (W x + s B A x), where
f = m / |W + s B A| holds a factor for each output, whose denominator is held constant. The merged layer has the same input x
and the same gradient delta of the loss in y. From these follow, with delta' = f delta (f = 1 without DoRA), the gradients of B,
s delta' outer (A x); of A, s (B^T delta') outer x; of c, s delta'; and of the magnitudes m, delta y / m, y without W's bias.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

OnGradient = Callable[[str, Any, Tensor], None]
"""on_gradient(name of a layer, what was kept of its input, the gradient of its output)."""
BIAS, MAGNITUDE = "lora_B.bias", "lora_magnitude_vector"


class OnInput(Protocol):
    """Says what is kept of a layer's input until the backward pass."""

    def __call__(self, name: str, x: Tensor, experts: Tensor | None = None, /) -> Any:
        """`experts` is the expert of each row where the layer is many."""


@dataclass(frozen=True)
class LowRank:
    """A layer's LoRA: it adds scale * (B A x + c) to the output, or with DoRA gives all of the output its magnitudes.

    Attributes:
        a: weight [r, inputs].
        b: weight [outputs, r], and its bias [outputs] where the adapter trains one.
        scale: alpha / r, or alpha / sqrt(r) where the adapter is rank-stabilised.
        magnitude: of each output, with DoRA [outputs].
        factor: by which each output is multiplied, with DoRA [outputs].
    """

    a: nn.Linear
    b: nn.Linear
    scale: float
    magnitude: Tensor | None = None
    factor: Tensor | None = None

    def to(self, device: torch.device) -> "LowRank":
        """The same, frozen, on a device."""
        nn.ModuleList([self.a, self.b]).requires_grad_(False).to(device)
        vectors = (None if each is None else each.detach().to(device) for each in (self.magnitude, self.factor))
        return LowRank(self.a, self.b, self.scale, *vectors)

    @property
    def weights(self) -> dict[str, nn.Module]:
        """What is trained, by name, as linear layers; a vector is one from the constant 1."""
        vectors = {BIAS: self.b.bias, MAGNITUDE: self.magnitude}
        ones = {name: nn.Linear(1, len(vector), bias=False) for name, vector in vectors.items() if vector is not None}
        return {"lora_A": self.a, "lora_B": self.b, **ones}


def factor_layers(factors: Mapping[str, LowRank]) -> dict[str, nn.Module]:
    """The LoRA weights as linear layers, by name."""
    return {f"{name}.{weight}": layer for name, pair in factors.items() for weight, layer in pair.weights.items()}


@contextmanager
def captured_factors(
    model: nn.Module,
    factors: Mapping[str, LowRank],
    on_input: OnInput,
    on_gradient: OnGradient,
    tokens_first: frozenset[str] = frozenset(),
) -> Iterator[None]:
    """See each LoRA weight's input and the gradient of its output, as `hooks.captured_linear` does for linear layers.

    Args:
        model: with the adapter merged into it.
        factors: the LoRA of each layer by the layer's name.
        on_input: gives what is kept of an input.
        on_gradient: takes that in the backward pass.
        tokens_first: layers that are given [T, S, i] instead of [S, T, i].
    """

    def hook(name: str, pair: LowRank) -> Callable[..., None]:
        def ordered(x: Tensor) -> Tensor:
            return x.transpose(0, 1) if name in tokens_first else x

        def seen(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
            inputs = inputs_of(pair, ordered(args[0].detach().to(pair.a.weight.dtype)))
            kept = {weight: on_input(f"{name}.{weight}", x) for weight, x in inputs.items()}
            made = None if pair.magnitude is None else without_bias(ordered(output.detach()), module) / pair.magnitude

            def back(delta: Tensor) -> None:
                for weight, gradient in gradients_of(pair, ordered(delta.to(pair.b.weight.dtype)), made).items():
                    on_gradient(f"{name}.{weight}", kept[weight], gradient)

            output.register_hook(back)

        return seen

    with ExitStack() as hooks:
        for name, pair in factors.items():
            hooks.enter_context(model.get_submodule(name).register_forward_hook(hook(name, pair)))
        yield


def inputs_of(pair: LowRank, x: Tensor) -> dict[str, Tensor]:
    """What each weight of a LoRA is given, of the layer's input [..., inputs]."""
    one = x.new_ones(*x.shape[:-1], 1)
    return {name: {"lora_A": x, "lora_B": x @ pair.a.weight.T}.get(name, one) for name in pair.weights}


def gradients_of(pair: LowRank, delta: Tensor, made: Tensor | None) -> dict[str, Tensor]:
    """Gradient of the loss in the output of each weight of a LoRA.

    Args:
        pair: the LoRA.
        delta: gradient of the loss in the layer's output [..., outputs].
        made: with DoRA the layer's output by its magnitudes [..., outputs].
    """
    scaled = (delta if pair.factor is None else delta * pair.factor) * pair.scale
    found = {"lora_A": scaled @ pair.b.weight, "lora_B": scaled}
    if pair.b.bias is not None:
        found[BIAS] = scaled
    return found if made is None else {**found, MAGNITUDE: delta * made}


def without_bias(output: Tensor, module: nn.Module) -> Tensor:
    """What a linear layer makes of its input but for its bias."""
    bias = module.bias
    return output - bias if isinstance(bias, Tensor) else output
