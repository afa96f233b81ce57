"""Loading a model with its tokenizer, ready to be attributed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers.activations import NewGELUActivation
from transformers.models.bloom.modeling_bloom import BloomGelu
from transformers.utils import logging as transformers_logging

from attridex.indexer.config import Config, ModelConfig
from attridex.indexer.errors import InputError, first_line
from attridex.indexer.models.adapters import SavedAdapter, merged, read_adapter
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.models.checkpoints import at_checkpoint
from attridex.indexer.models.families import Family
from attridex.indexer.models.low_rank import LowRank
from attridex.indexer.models.precision import choose_precision
from attridex.indexer.models.quantised import plain, quantisation
from attridex.indexer.models.sources import check_task, resolve_labels, task_config
from attridex.indexer.models.tokenizers import model_tokenizer, padding_token, vocabulary_of
from attridex.indexer.structure.calls import mirrors
from attridex.indexer.structure.decoding import check_decoder_input
from attridex.indexer.structure.heads import auto_model
from attridex.indexer.structure.outline import MAKING

CHECKPOINTS = "model.checkpoints"
"""Setting of the configuration."""


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to be attributed: evaluation mode, parameters frozen."""

    arch: Architecture
    pad: int
    labels: list[str]
    family: str
    device: torch.device
    tokenizer: Any


def load_model(config: Config, checkpoint: str | None = None) -> LoadedModel:
    """Load the model of a configuration, or one of its checkpoints.

    Raises:
        InputError: no model there, an unknown family, no padding token, labels that do not fit the outputs, or another precision
            than a model of this process has.
    """
    wanted = config.model if checkpoint is None else at_checkpoint(config.model, checkpoint)
    adapted, whole = ("model.adapter", "model.path") if checkpoint is None else (CHECKPOINTS, CHECKPOINTS)
    adapter = read_adapter(wanted.adapter, adapted) if wanted.adapter else None
    hf, family = task_config(wanted, adapter, "model.path" if adapter else whole)
    check_task(wanted.task, family, hf, wanted.path)
    labels = resolve_labels(config.corpus.labels, hf, wanted.task, config.corpus.rendering)
    tokenizer = model_tokenizer(config.model, config.corpus.rendering)
    device, dtype = resolve_device(wanted.device), getattr(torch, wanted.dtype)
    choose_precision(wanted, device)
    rounded = quantisation(hf, wanted)
    with quiet_transformers():
        model, loading = with_weights(
            auto_model(wanted.task, hf),
            wanted.path,
            revision=wanted.revision,
            config=hf,
            dtype=dtype,
            trust_remote_code=wanted.trust_remote_code,
            **({} if wanted.quantization is None else {"quantization_config": rounded}),
        )
        model = plain(model, dtype)
    check_trained(wanted, loading, adapter)
    factors: dict[str, LowRank] = {}
    if adapter:
        model, factors = merged(model, adapter, factors=config.gradients.parameters == "adapter")
    fuse_activations(model)
    plain_arithmetic(model)
    model.eval().requires_grad_(False).to(device)
    arch = Architecture(model, family, {name: pair.to(device) for name, pair in factors.items()}, wanted.path)
    check_causal(arch, family)
    if wanted.task == "seq2seq-lm":
        check_decoder_input(model, tokenizer, wanted.path)
    if config.neurons.enabled:
        arch.check_site(config.neurons.site)
    pad = padding_token(tokenizer, vocabulary_of(tokenizer, hf, adapter))
    if mirrors(model) and hf.pad_token_id is not None:  # some look for their own padding in a text (mBART)
        pad = hf.pad_token_id
    return LoadedModel(arch, pad, labels, hf.model_type, device, tokenizer)


def with_weights(loads: Any, path: str, **options: Any) -> tuple[Any, Any]:
    """A model with its weights, and what transformers tells of those that did not fit.

    Args:
        loads: the class of transformers that loads it.
        path: of the model.
        options: of the call.

    Raises:
        InputError: there are none, they are damaged, or they cannot be put in place.
    """
    try:
        with MAKING:
            found: tuple[Any, Any] = loads.from_pretrained(
                path, output_loading_info=True, ignore_mismatched_sizes=True, **options
            )
    except Exception as error:  # safetensors, torch and the model's own code raise types of their own
        raise InputError(f"{path}: the model's weights cannot be loaded: {first_line(error)}") from None
    return found


def check_trained(model: ModelConfig, loading: Any, adapter: SavedAdapter | None) -> None:
    """Refuse weights that neither the model nor its adapter has.

    Raises:
        InputError: a weight is missing, or of another size.
    """
    lost = {*loading["missing_keys"], *(entry[0] for entry in loading["mismatched_keys"])}
    missing = sorted(lost - set(adapter.weights if adapter else ()))
    if missing and adapter:
        raise InputError(
            f"{model.path}: neither the model nor its adapter {adapter.where} has a trained {missing[0]}; "
            "train the adapter with the head among its modules_to_save"
        )
    odd = {name: shapes for name, *shapes in loading["mismatched_keys"]}
    if missing and missing[0] in odd:
        saved, wanted = map(list, odd[missing[0]])
        raise InputError(
            f"{model.path}: the weights have {missing[0]} of shape {saved}, by config.json it is {wanted}; save model and "
            "configuration together (save_pretrained)"
        )
    if missing:
        raise InputError(
            f"{model.path}: the model has no trained {missing[0]}; "
            "fine-tune it first (`attridex finetune`), a new head answers at random"
        )


def plain_arithmetic(model: nn.Module) -> None:
    """Let every layer be called once and whole: no emulation of tensor parallelism (BLOOM), no FFN in stretches of tokens.

    Both compute the same numbers in another order of additions.
    """
    for module in model.modules():
        for name, plainly in (("slow_but_exact", False), ("chunk_size_feed_forward", 0)):
            if getattr(module, name, plainly):
                setattr(module, name, plainly)


def check_causal(arch: Architecture, family: Family) -> None:
    """Refuse a model that sees otherwise than its modules said before it was loaded, by which its inputs are rendered.

    Raises:
        InputError: it does.
    """
    if arch.causal != family.causal:
        said, found = ("causal", "an encoder") if family.causal else ("an encoder", "causal")
        raise InputError(f"{arch.where}: by its modules the model is {said}, but a pass of it is that of {found}")


def fuse_activations(model: nn.Module) -> None:
    """Let PyTorch's own kernel compute the tanh form of GELU, which these modules write out in several passes."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, NewGELUActivation | BloomGelu):
                setattr(module, name, nn.GELU("tanh"))


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers' progress bars and warnings off the terminal while a model loads."""
    verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()


def resolve_device(name: str) -> torch.device:
    """The device to run on; "auto" takes a GPU where there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f'model.device: \'{name}\' is no device; use "auto", "cpu" or "cuda"') from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError('model.device: no CUDA GPU here; use "auto" or "cpu"')
    return device
