"""A model seen by its parts: where the FFN, the head and the read position are."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from attridex.indexer.errors import InputError
from attridex.indexer.models.batches import TokenBatch
from attridex.indexer.models.families import Family
from attridex.indexer.models.low_rank import LowRank

Site = Literal["post", "pre", "head"]
"""Where activations are read and edited: FFN neurons behind or before the nonlinearity, or attention heads' outputs."""


class Architecture:
    """A model seen by its parts.

    Attributes:
        adapter: LoRA weights that are merged into the model, by layer; kept where their gradients are wanted.
        model: the whole model, in evaluation mode, parameters frozen.
        body: the model without its head.
        layers: the transformer blocks.
        head: last linear layer: a classifier's, or the output embedding of a language model.
        causal: whether a position sees only what stands before it.
        heads: attention heads a layer.
        adds: whether a layer's output is its FFN's output plus what does not depend on it.
        width: FFN neurons a layer (F).
        hidden: size of the state that the head reads (h).
        outputs: number of logits (C).
    """

    def __init__(self, model: nn.Module, family: Family, adapter: Mapping[str, LowRank] | None = None) -> None:
        """Resolve a family's modules in a model."""
        self.model = model
        self.adapter = adapter or {}
        self.family = family
        self.body = family_part(model, "body", family.body)
        layers = family_part(model, "layers", family.layers)
        if not isinstance(layers, nn.ModuleList):
            raise InputError(f"{family.layers}: the model's layers are no list")
        self.layers: Sequence[nn.Module] = list(layers)
        self.ffn_in = [family_part(layer, "ffn_in", family.ffn_in) for layer in self.layers]
        self.ffn_out = [family_part(layer, "ffn_out", family.ffn_out) for layer in self.layers]
        self.attention_out = [family_part(layer, "attention_out", family.attention_out) for layer in self.layers]
        self.heads = int(model.config.num_attention_heads)  # type: ignore[union-attr, arg-type]
        self.adds = family.adds and (family.adds_if is None or bool(getattr(model.config, family.adds_if, True)))
        self.head = head_of(model, family)
        self.causal = family.causal
        self.width = linear_shape(self.ffn_out[0])[1]
        self.outputs, self.hidden = linear_shape(self.head)

    def units(self, site: Site) -> int:
        """Units a layer at a site: FFN neurons, or attention heads."""
        return self.heads if site == "head" else self.width

    def check_site(self, site: Site) -> None:
        """Refuse a neuron site that the FFN does not have."""
        if site == "pre" and self.family.ffn_up is not None:
            raise InputError(
                'neurons.site = "pre" is not defined for a gated FFN (act(gate) * up has no one output '
                "before the nonlinearity); "
                'use site = "post"'
            )

    def final_states(self, batch: TokenBatch) -> Tensor:
        """The body's final states [S, T, h]; a causal body fills no cache."""
        options = {"use_cache": False} if self.causal else {}
        states: Tensor = self.body(batch.ids, **batch.named, **options).last_hidden_state
        return states

    def hidden_states(self, states: Tensor, read: Tensor) -> Tensor:
        """States that the head reads, [S, h], from final states [S, T, h]; `read` [S] is the position of each sequence."""
        return self.head_input(states[torch.arange(len(read), device=read.device), read])

    def head_input(self, states: Tensor) -> Tensor:
        """What the head's last linear layer sees, from final states [..., h]."""
        before = self.family.before_head
        return states if before is None else torch.tanh(self.model.get_submodule(before)(states))

    def linear_layers(self) -> dict[str, nn.Module]:
        """Every linear layer but the head and the output embedding, by name."""
        embedding = getattr(self.model, "get_output_embeddings", lambda: None)()
        linear = ((name, module) for name, module in self.model.named_modules() if isinstance(module, nn.Linear | Conv1D))
        return {name: module for name, module in linear if module is not self.head and module is not embedding}

    def ffn_layers(self) -> dict[str, nn.Module]:
        """The linear layers of the FFNs, by name."""
        names = filter(None, (self.family.ffn_in, self.family.ffn_up, self.family.ffn_out))
        inside = {id(layer.get_submodule(name)) for name in names for layer in self.layers}
        return {name: module for name, module in self.linear_layers().items() if id(module) in inside}


def family_part(module: nn.Module, part: str, name: str) -> nn.Module:
    """A module by the name that a family gives it.

    Raises:
        InputError: there is none of that name.
    """
    try:
        return module.get_submodule(name)
    except AttributeError:
        inside = ", ".join(dict(module.named_children()))
        where = f"the model family's {part} = '{name}'"
        raise InputError(f"{where}: {type(module).__name__} has no such module; it has {inside}") from None


def head_of(model: nn.Module, family: Family) -> nn.Module:
    """The last linear layer: the family's classifier head where the model has one, else its output embedding."""
    try:
        return model.get_submodule(family.head)
    except AttributeError:
        embedding: nn.Module | None = model.get_output_embeddings()  # type: ignore[operator]
        return family_part(model, "head", family.head) if embedding is None else embedding


def linear_shape(module: nn.Module) -> tuple[int, int]:
    """(outputs, inputs) of a linear layer; GPT-2's Conv1D keeps its weight transposed."""
    rows, columns = module.get_parameter("weight").shape
    return (columns, rows) if isinstance(module, Conv1D) else (rows, columns)
