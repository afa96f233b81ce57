"""Quantised models: their linear layers become plain ones, with the very weights that they multiply by.

Methods that round weights alone (bitsandbytes in 4 bits, GPTQ, AWQ) compute W' x with weights W' that they unpack from a few
bits. A plain layer of W' gives the same outputs, has the same gradients, and a LoRA is merged into it without being rounded.
"""

from typing import Any

import torch
from torch import nn
from transformers.quantizers import AutoHfQuantizer, AutoQuantizationConfig

from attridex.indexer.config import ModelConfig
from attridex.indexer.errors import InputError, first_line

WEIGHTS_ALONE = ["bitsandbytes in 4 bits", "gptq", "awq", "hqq", "mxfp4"]
"""Methods that round weights and nothing else."""


def quantisation(hf: Any, model: ModelConfig) -> Any:
    """How a model is quantised: as its own configuration says, or as `model.quantization` asks for; None if it is not.

    Raises:
        InputError: both say so, it is no known method or one that rounds activations too, or its packages are not there.
    """
    own = getattr(hf, "quantization_config", None)
    if own is not None and model.quantization is not None:
        raise InputError(f"{model.path}: the model is quantised already; leave out model.quantization")
    settings = model.quantization if own is None else own
    if settings is None:
        return None
    try:
        found = AutoQuantizationConfig.from_dict(dict(settings)) if isinstance(settings, dict) else settings
        check_method(found, model.path)
        AutoHfQuantizer.from_config(found, pre_quantized=own is not None).validate_environment()
    except (ImportError, RuntimeError, ValueError, TypeError) as error:
        where = "model.quantization" if own is None else f"{model.path}: the model is quantised, and"
        raise InputError(f"{where}: it cannot be loaded here: {first_line(error)}") from None
    return found


def check_method(settings: Any, where: str) -> None:
    """Refuse a method whose outputs are not those of some weights: it rounds the activations too.

    Raises:
        InputError: it is one.
    """
    method = getattr(settings.quant_method, "value", settings.quant_method)
    name = f"{method} in {4 if settings.load_in_4bit else 8} bits" if method == "bitsandbytes" else str(method)
    if name not in WEIGHTS_ALONE:
        known = ", ".join(WEIGHTS_ALONE)
        raise InputError(f"{where}: quantised by {name}, which attridex does not read ({known}); save the model dequantised")


def plain(model: Any, dtype: torch.dtype) -> Any:
    """A model without quantisation that computes the same, its weights of a type; the model itself where it is not quantised."""
    quantizer = getattr(model, "hf_quantizer", None)
    if quantizer is None:
        return model
    try:
        if not getattr(quantizer.quantization_config, "dequantize", False):
            model = model.dequantize(dtype)
    except NotImplementedError:
        unpack(model, dtype)
    for name in ("hf_quantizer", "quantization_method"):
        if hasattr(model, name):
            delattr(model, name)
    model.is_quantized = False
    return model.to(dtype)


@torch.no_grad()
def unpack(model: nn.Module, dtype: torch.dtype) -> None:
    """Put a plain layer in the place of every quantised one: its weight is what it makes of the unit vectors."""
    for name, module in list(model.named_modules()):
        if is_packed(module):
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, unpacked(module, dtype))


def is_packed(module: Any) -> bool:
    """Whether a module is a linear layer whose weight is none of plain numbers."""
    if not hasattr(module, "in_features") or not hasattr(module, "out_features"):
        return False
    return not isinstance(module, nn.Linear) or not module.weight.is_floating_point()


def unpacked(module: Any, dtype: torch.dtype) -> nn.Linear:
    """The plain layer of a quantised one."""
    bias, module.bias = module.bias, None  # else the bias would be rounded into the weight
    kept = next((each for each in (*module.parameters(), *module.buffers()) if each.is_floating_point()), torch.zeros(0))
    weight = module(torch.eye(module.in_features, dtype=kept.dtype, device=kept.device)).T
    layer = nn.Linear(module.in_features, module.out_features, bias is not None, device=weight.device, dtype=dtype)
    layer.weight.copy_(weight)
    if bias is not None:
        layer.bias.copy_(bias)
    return layer
