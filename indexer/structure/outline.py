"""What is known of a model before its weights are loaded: from its modules, made without weights."""

from threading import RLock
from typing import Any

import torch
from torch import nn
from transformers.initialization import no_init_weights
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, MODEL_FOR_MASKED_LM_MAPPING_NAMES

from attridex.indexer.structure.calls import end_token, mirrors
from attridex.indexer.structure.family import Family

MAKING = RLock()
"""Held while transformers makes a model: it changes how all weights of the process begin meanwhile."""
SEES_ALL = {"xlnet"}
"""Model types whose positions see each other though neither a module nor a masked-language-model class says so."""


def bare_model(auto_class: Any, hf: Any, *, remote_code: bool) -> nn.Module:
    """The model of a configuration without weights."""
    with MAKING, torch.device("meta"), no_init_weights():
        model: nn.Module = auto_class.from_config(hf, trust_remote_code=remote_code)
    return model


def outline(auto_class: Any, hf: Any, *, remote_code: bool = False) -> Family:
    """The family of a model that no plugin describes: what its modules say of it before its weights are there.

    Args:
        auto_class: of transformers, for the task.
        hf: the model's own configuration.
        remote_code: whether code that lies beside the model may run.
    """
    model = bare_model(auto_class, hf, remote_code=remote_code)
    return Family(
        head=head_name(model, hf),
        causal=is_causal(model, hf),
        positions_after_padding=has_positions_after_padding(model),
        end=end_token(model),
    )


def head_name(model: nn.Module, hf: Any) -> str:
    """Name of a classifier's last linear layer: the last one outside of the body with as many outputs as there are labels."""
    body = getattr(model, "base_model", model)
    inside = set() if body is model else set(body.modules())
    linear = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear) and module not in inside]
    fitting = [name for name, module in linear if module.out_features == hf.num_labels]
    return next(reversed(fitting or [name for name, _ in linear]), Family.head)


def is_causal(model: nn.Module, hf: Any) -> bool:
    """Whether positions see only what stands before them, as the attention modules say; a traced pass checks it later."""
    if mirrors(model):
        return False
    flags = [flag for module in model.modules() if isinstance(flag := getattr(module, "is_causal", None), bool)]
    if flags:
        return any(flags)
    encoder = hf.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES or hf.model_type in SEES_ALL
    own = type(hf).__module__.startswith("transformers.")  # of another's code nothing is known
    encoder = encoder or (own and hf.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
    return bool(getattr(hf, "is_decoder", False)) or not encoder


def has_positions_after_padding(model: nn.Module) -> bool:
    """Whether positions are counted from after the padding token's id (RoBERTa)."""
    tables = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Embedding)]
    return any("position" in name and module.padding_idx is not None for name, module in tables)
