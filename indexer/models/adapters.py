"""PEFT adapters: a LoRA is merged into its base model, and its own weights' gradients are read off the merged layers.

A LoRA layer computes y = W x + s B (A x). The merged layer (W + s B A) x has the same input x and the same gradient delta of
the loss in y, from which both factors' gradients follow: s delta outer (A x) for B, and s (B^T delta) outer x for A. So one
merged model serves gradients, neurons and edits alike.
"""

import importlib.util
import json
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from attridex.indexer.errors import InputError, MissingExtraError, first_line

CONFIG = "adapter_config.json"
FILES = (CONFIG, "adapter_model.safetensors", "adapter_model.bin")
NAME = "default"
"""What PEFT calls the one adapter of a model."""
PREFIX = "base_model.model."
"""Stands before the base model's own names in an adapter's file."""
UNMERGEABLE = {
    "alora_invocation_tokens": "activated LoRA",
    "layer_replication": "repeated layers",
    "arrow_config": "Arrow routing",
}
"""Settings of a LoRA that is no constant addition to the base model's weights, and their names."""
OnInput = Callable[[str, Tensor, Tensor | None], Any]
"""on_input(name of a layer, its input, the expert of each row where it is many) -> what is kept of it until the backward pass."""
OnGradient = Callable[[str, Any, Tensor], None]
"""on_gradient(name of a layer, what was kept of its input, the gradient of its output)."""


@dataclass(frozen=True)
class LowRank:
    """A layer's LoRA: it adds scale * B A to the weight.

    Attributes:
        a: weight [r, inputs].
        b: weight [outputs, r].
        scale: alpha / r, or alpha / sqrt(r) where the adapter is rank-stabilised.
    """

    a: nn.Linear
    b: nn.Linear
    scale: float


@dataclass(frozen=True)
class SavedAdapter:
    """An adapter's directory, read.

    Attributes:
        where: as the configuration names it.
        directory: its files.
        weights: by name in the base model.
    """

    where: str
    directory: Path
    weights: dict[str, Tensor]

    def outputs(self, head: str) -> int | None:
        """Outputs of the trained head (the module's name in the base model) that the adapter brings; None without one."""
        weight = self.weights.get(f"{head}.weight")
        return None if weight is None else len(weight)


def adapter_directory(name: str) -> Path:
    """The directory of an adapter: `name` itself, or the Hub's cached snapshot.

    Raises:
        InputError: there is none.
    """
    if not Path(name).is_dir():
        if Path(name).is_absolute() or name.startswith("."):
            raise InputError(f"{name}: no such adapter directory (model.adapter)")
        return downloaded(name)
    if not (Path(name) / CONFIG).is_file():
        raise InputError(f"{name}: no PEFT adapter there (no {CONFIG}; model.adapter)")
    return Path(name)


def downloaded(name: str) -> Path:
    """An adapter's files from the Hub.

    Raises:
        InputError: it is not to be had.
    """
    from huggingface_hub import snapshot_download

    try:
        found = Path(snapshot_download(name, allow_patterns=list(FILES), etag_timeout=10))
    except Exception as error:  # no network, no such adapter, no name at all: one answer
        reason = first_line(error)
        raise InputError(f"{name}: no such adapter directory, and not to be had from the Hub (model.adapter): {reason}") from None
    if not (found / CONFIG).is_file():
        raise InputError(f"{name}: no PEFT adapter on the Hub (no {CONFIG}; model.adapter)")
    return found


def read_adapter(name: str) -> SavedAdapter:
    """Read an adapter's settings and weights.

    Raises:
        InputError: no adapter there, one that is no LoRA, one that cannot be merged, or unreadable weights.
        MissingExtraError: PEFT is not installed.
    """
    directory = adapter_directory(name)
    if importlib.util.find_spec("peft") is None:
        raise MissingExtraError("model.adapter needs PEFT, which is not installed: pip install 'attridex[adapters]'")
    check_settings(name, directory)
    from peft.utils.save_and_load import load_peft_weights

    if not any((directory / file).is_file() for file in FILES[1:]):
        raise InputError(f"{name}: the adapter has no weights ({' or '.join(FILES[1:])})")
    try:
        weights = load_peft_weights(str(directory), device="cpu")
    except Exception as error:  # safetensors and pickle raise types of their own
        raise InputError(f"{name}: the adapter's weights cannot be read: {one_line(error)}") from None
    return SavedAdapter(name, directory, {key.removeprefix(PREFIX): value for key, value in weights.items()})


def check_settings(name: str, directory: Path) -> None:
    """Refuse what is not a LoRA, or one that does not only add to the base model's weights."""
    try:
        settings = json.loads((directory / CONFIG).read_text(encoding="utf-8"))
        kind = settings["peft_type"]
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{name}: {CONFIG} is not the settings of a PEFT adapter") from None
    if kind != "LORA":
        raise InputError(f"{name}: a PEFT adapter of kind {kind}; attridex knows LORA (merge another kind into its model first)")
    for key, words in UNMERGEABLE.items():
        if settings.get(key):
            raise InputError(f"{name}: {words} ({key}) is no constant change of the weights; attridex cannot merge it")


def merged(model: nn.Module, adapter: SavedAdapter, *, factors: bool) -> tuple[nn.Module, dict[str, LowRank]]:
    """Merge an adapter into its base model, which it changes.

    Args:
        model: the base model.
        adapter: the adapter; modules that it saved whole (a classifier's head) take the place of the base model's.
        factors: whether the LoRA weights themselves are wanted.

    Returns:
        The merged model, and the LoRA of each layer by the layer's name (none unless `factors`).

    Raises:
        InputError: the adapter does not fit the model, or is of a variant whose factors have no gradient here.
    """
    from peft import PeftModel

    try:
        with warnings.catch_warnings(action="ignore"):
            wrapped = PeftModel.from_pretrained(model, str(adapter.directory), adapter_name=NAME, torch_device="cpu")
            loaded = wrapped.load_adapter(str(adapter.directory), adapter_name=NAME, torch_device="cpu")
    except (ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{adapter.where}: the adapter does not fit the base model (model.path): {one_line(error)}") from None
    if strange := sorted([*loaded.missing_keys, *loaded.unexpected_keys]):
        state = "has no" if strange[0] in loaded.missing_keys else "has an unknown"
        weight = strange[0].removeprefix(PREFIX)
        raise InputError(f"{adapter.where}: the adapter {state} weight {weight}; is model.path its base model?")
    layers = lora_layers(wrapped)
    found = {name: low_rank(adapter.where, name, layer) for name, layer in layers.items()} if factors else {}
    untie(wrapped, layers.values())
    try:
        with warnings.catch_warnings(action="ignore"):
            whole = wrapped.merge_and_unload(safe_merge=True)
    except ValueError as error:
        raise InputError(f"{adapter.where}: the adapter cannot be merged: {one_line(error)}") from None
    return whole, found


def lora_layers(wrapped: nn.Module) -> dict[str, Any]:
    """The layers with a LoRA, by their name in the base model."""
    from peft.tuners.lora import LoraLayer

    modules = wrapped.named_modules()
    adapted = ((name, module) for name, module in modules if isinstance(module, LoraLayer) and NAME in module.scaling)
    return {name.removeprefix(PREFIX): module for name, module in adapted}


def untie(wrapped: nn.Module, layers: Any) -> None:
    """Give layers that share their weight with another module (tied embeddings) one of their own: only they are adapted."""
    seen = Counter(id(parameter) for _, parameter in wrapped.named_parameters(remove_duplicate=False))
    for layer in layers:
        weight = layer.get_base_layer().weight
        if seen[id(weight)] > 1:
            layer.get_base_layer().weight = nn.Parameter(weight.detach().clone(), requires_grad=False)


def low_rank(where: str, name: str, layer: Any) -> LowRank:
    """A layer's LoRA.

    Raises:
        InputError: its weights are no two linear layers: an embedding, or a variant such as DoRA.
    """
    variant = layer.use_dora.get(NAME) or NAME in getattr(layer, "lora_variant", {})
    plain = isinstance(layer.get_base_layer(), nn.Linear | Conv1D) and not hasattr(layer, "parameter_name")
    if variant or not plain:
        kind = "is a variant of LoRA (such as DoRA)" if variant else "adapts no linear layer"
        raise InputError(
            f'gradients.parameters = "adapter": {where} at {name} {kind}; use "linear" or "mlp", gradients of the merged model'
        )
    return LowRank(layer.lora_A[NAME], layer.lora_B[NAME], float(layer.scaling[NAME]))


def factor_layers(factors: Mapping[str, LowRank]) -> dict[str, nn.Module]:
    """The LoRA weights as linear layers, by name."""
    return {f"{name}.{side}": layer for name, pair in factors.items() for side, layer in (("lora_A", pair.a), ("lora_B", pair.b))}


@contextmanager
def captured_factors(
    model: nn.Module, factors: Mapping[str, LowRank], on_input: OnInput, on_gradient: OnGradient
) -> Iterator[None]:
    """See each LoRA weight's input and the gradient of its output, as `hooks.captured_linear` does for linear layers.

    Args:
        model: with the adapter merged into it.
        factors: the LoRA of each layer by the layer's name.
        on_input: gives what is kept of an input.
        on_gradient: takes that in the backward pass.
    """

    def hook(name: str, pair: LowRank) -> Callable[..., None]:
        def seen(_module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
            x = args[0].detach().to(pair.a.weight.dtype)
            kept = on_input(f"{name}.lora_A", x, None), on_input(f"{name}.lora_B", x @ pair.a.weight.T, None)

            def back(delta: Tensor) -> None:
                scaled = delta.to(pair.b.weight.dtype) * pair.scale
                on_gradient(f"{name}.lora_A", kept[0], scaled @ pair.b.weight)
                on_gradient(f"{name}.lora_B", kept[1], scaled)

            output.register_hook(back)

        return seen

    with ExitStack() as hooks:
        for name, pair in factors.items():
            hooks.enter_context(model.get_submodule(name).register_forward_hook(hook(name, pair)))
        yield


def one_line(error: Exception) -> str:
    """An error in one line of readable length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:297]}..."
