"""PEFT adapters: read, checked, and merged into their base model, so that one model serves gradients, neurons and edits alike."""

import importlib.util
import json
import warnings
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from attridex.indexer.adapter_paths import CONFIG
from attridex.indexer.errors import InputError, MissingExtraError, first_line, one_line
from attridex.indexer.models.low_rank import LowRank

FILES = (CONFIG, "adapter_model.safetensors", "adapter_model.bin")
TOKENIZER_FILES = (
    "tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "*.model", "added_tokens.json", "*.tiktoken", "tekken.json",
    "chat_template*",
)  # fmt: skip
"""Of a tokenizer that was saved beside the adapter."""
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

    def rows(self, name: str) -> int | None:
        """Rows of an embedding (its name in the base model) that the adapter brings; None without one."""
        own = {key: value for key, value in self.weights.items() if key.startswith(f"{name}.") and "lora_" not in key}
        saved = (value for key, value in own.items() if key.endswith(".weight"))
        return next((len(value) for value in saved if value.dim() == 2), None)

    def repeats(self, key: str) -> bool:
        """Whether a weight stands there under another name too: PEFT saves embeddings twice."""
        own = self.weights.get(key.removeprefix(PREFIX).replace(f".{NAME}", ""))
        return own is not None and sum(torch.equal(value, own) for value in self.weights.values()) > 1


def adapter_directory(name: str, setting: str = "model.adapter") -> Path:
    """The directory of an adapter: `name` itself, or the Hub's cached snapshot; `setting` of the configuration names it.

    Raises:
        InputError: there is none.
    """
    if not Path(name).is_dir():
        if Path(name).is_absolute() or name.startswith("."):
            raise InputError(f"{name}: no such adapter directory ({setting})")
        return downloaded(name, setting)
    if not (Path(name) / CONFIG).is_file():
        raise InputError(f"{name}: no PEFT adapter there (no {CONFIG}; {setting})")
    return Path(name)


def downloaded(name: str, setting: str) -> Path:
    """An adapter's files from the Hub; `setting` names it.

    Raises:
        InputError: it is not to be had.
    """
    from huggingface_hub import snapshot_download

    try:
        found = Path(snapshot_download(name, allow_patterns=[*FILES, *TOKENIZER_FILES], etag_timeout=10))
    except Exception as error:  # no network, no such adapter, no name at all: one answer
        reason = first_line(error)
        raise InputError(f"{name}: no such adapter directory, and not to be had from the Hub ({setting}): {reason}") from None
    if not (found / CONFIG).is_file():
        raise InputError(f"{name}: no PEFT adapter on the Hub (no {CONFIG}; {setting})")
    return found


def read_adapter(name: str, setting: str = "model.adapter") -> SavedAdapter:
    """Read an adapter's settings and weights; `setting` of the configuration names it.

    Raises:
        InputError: no adapter there, one that is no LoRA, one that cannot be merged, or unreadable weights.
        MissingExtraError: PEFT is not installed.
    """
    directory = adapter_directory(name, setting)
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

    fit_embeddings(model, adapter)
    try:
        with warnings.catch_warnings(action="ignore"):
            wrapped = PeftModel.from_pretrained(model, str(adapter.directory), adapter_name=NAME, torch_device="cpu")
            loaded = wrapped.load_adapter(str(adapter.directory), adapter_name=NAME, torch_device="cpu")
    except (ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{adapter.where}: the adapter does not fit the base model (model.path): {one_line(error)}") from None
    unknown = [key for key in loaded.unexpected_keys if not adapter.repeats(key)]
    if strange := sorted([*loaded.missing_keys, *unknown]):
        state = "has no" if strange[0] in loaded.missing_keys else "has an unknown"
        weight = strange[0].removeprefix(PREFIX)
        raise InputError(f"{adapter.where}: the adapter {state} weight {weight}; is model.path its base model?")
    layers = lora_layers(wrapped)
    found = {name: low_rank(adapter.where, name, layer) for name, layer in layers.items()} if factors else {}
    untie(wrapped, layers.values())
    give_bias(layers.values())
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
        weight = getattr(layer.get_base_layer(), "weight", None)  # fused experts have several, none of them tied
        if weight is not None and seen[id(weight)] > 1:
            layer.get_base_layer().weight = nn.Parameter(weight.detach().clone(), requires_grad=False)


def give_bias(layers: Any) -> None:
    """Give layers without a bias one of zeros where their LoRA has one, which is merged into it."""
    for layer in layers:
        base = layer.get_base_layer()
        if layer.lora_bias.get(NAME) and base.bias is None:
            base.bias = nn.Parameter(layer.lora_B[NAME].bias.detach().to(base.weight.dtype) * 0, requires_grad=False)


def fit_embeddings(model: Any, adapter: SavedAdapter) -> None:
    """Give the base model as many embeddings as the adapter was trained and saved with (its tokenizer has tokens of its own).

    Raises:
        InputError: the adapter does not bring all of them, so that some would be made up.
    """
    ends = (model.get_input_embeddings(), getattr(model, "get_output_embeddings", lambda: None)())
    names = {name: module for name, module in model.named_modules() if any(module is end for end in ends)}
    rows = {name: adapter.rows(name) for name in names}
    count = max((count for count in rows.values() if count is not None), default=len(ends[0].weight))
    if count == len(ends[0].weight):
        return
    known = [names[name].weight for name in names if rows[name] == count]
    for name, module in names.items():
        if not any(module.weight is weight for weight in known):
            raise InputError(
                f"{adapter.where}: the adapter was trained with {count} embeddings, the base model has {len(module.weight)}, and "
                f"the adapter does not bring those of {name}; save the base model as it was trained and give that as model.path"
            )
    model.resize_token_embeddings(count, mean_resizing=False)


def low_rank(where: str, name: str, layer: Any) -> LowRank:
    """A layer's LoRA.

    Raises:
        InputError: its weights are no two linear layers: an embedding, or a variant other than DoRA.
    """
    plain = isinstance(layer.get_base_layer(), nn.Linear | Conv1D) and not hasattr(layer, "parameter_name")
    dora = bool(layer.use_dora.get(NAME))
    if (NAME in layer.lora_variant) != dora or not plain:
        kind = "is a variant of LoRA other than DoRA" if plain else "adapts no linear layer"
        raise InputError(
            f'gradients.parameters = "adapter": {where} at {name} {kind}; use "linear" or "mlp", gradients of the merged model'
        )
    pair = LowRank(layer.lora_A[NAME], layer.lora_B[NAME], float(layer.scaling[NAME]))
    return with_magnitudes(pair, layer) if dora else pair


@torch.no_grad()
def with_magnitudes(pair: LowRank, layer: Any) -> LowRank:
    """A LoRA with what DoRA trains beside it."""
    base = layer.get_base_layer()
    weight = base.weight.T if isinstance(base, Conv1D) else base.weight
    magnitude = layer.lora_magnitude_vector[NAME].weight
    norm = torch.linalg.norm(weight + pair.scale * (pair.b.weight @ pair.a.weight), dim=1)
    return replace(pair, magnitude=magnitude, factor=magnitude / norm)
