"""Where the FFN, the head and the read position are, for each family of models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from attridex.indexer.errors import InputError

if TYPE_CHECKING:
    from attridex.indexer.models.adapters import LowRank

Site = Literal["post", "pre", "head"]
"""Where activations are read and edited: FFN neurons behind or before the nonlinearity, or attention heads' outputs."""


@dataclass(frozen=True)
class Family:
    """Names of a family's modules: `ffn_in` and `ffn_out` are relative to a layer.

    A gated FFN computes act(gate) * up, so that "the output of the first FFN linear" (site "pre") is not defined.
    `adds` says that a layer's output is its FFN's output plus what does not depend on it.
    """

    body: str
    layers: str
    ffn_in: str
    ffn_out: str
    attention_out: str
    head: str = "score"
    gated: bool = False
    causal: bool = True
    adds: bool = True


def encoder(name: str, head: str) -> Family:
    """BERT and its like."""
    return Family(
        name,
        f"{name}.encoder.layer",
        "intermediate.dense",
        "output.dense",
        "attention.output.dense",
        head,
        causal=False,
        adds=False,
    )


GATED = Family("model", "model.layers", "mlp.gate_proj", "mlp.down_proj", "self_attn.o_proj", gated=True)
FAMILIES = {
    "opt": Family("model", "model.decoder.layers", "fc1", "fc2", "self_attn.out_proj"),
    "gpt2": Family("transformer", "transformer.h", "mlp.c_fc", "mlp.c_proj", "attn.c_proj"),
    "gpt_neox": Family("gpt_neox", "gpt_neox.layers", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h", "attention.dense"),
    "bloom": Family("transformer", "transformer.h", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h", "self_attention.dense"),
    "llama": GATED,
    "qwen2": GATED,
    "gemma": GATED,
    "bert": encoder("bert", "classifier"),
    "roberta": encoder("roberta", "classifier.out_proj"),
}


def family_of(model_type: str, where: str) -> Family:
    """The family of a model type.

    Raises:
        InputError: its FFN is not known here.
    """
    if model_type not in FAMILIES:
        raise InputError(
            f"{where}: models of type '{model_type}' have no FFN that attridex knows; known: {', '.join(sorted(FAMILIES))}"
        )
    return FAMILIES[model_type]


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

    def __init__(self, model: nn.Module, family: Family, adapter: Mapping[str, "LowRank"] | None = None) -> None:
        """Resolve a family's modules in a model."""
        self.model = model
        self.adapter = adapter or {}
        self.family = family
        self.body = model.get_submodule(family.body)
        layers = model.get_submodule(family.layers)
        if not isinstance(layers, nn.ModuleList):
            raise InputError(f"{family.layers}: the model's layers are no list")
        self.layers: Sequence[nn.Module] = list(layers)
        self.ffn_in = [layer.get_submodule(family.ffn_in) for layer in self.layers]
        self.ffn_out = [layer.get_submodule(family.ffn_out) for layer in self.layers]
        self.attention_out = [layer.get_submodule(family.attention_out) for layer in self.layers]
        self.heads = int(model.config.num_attention_heads)  # type: ignore[union-attr, arg-type]
        # OPT-350m normalises behind the addition.
        self.adds = family.adds and bool(getattr(model.config, "do_layer_norm_before", True))
        self.head = head_of(model, family)
        self.causal = family.causal
        self.width = linear_shape(self.ffn_out[0])[1]
        self.outputs, self.hidden = linear_shape(self.head)

    def units(self, site: Site) -> int:
        """Units a layer at a site: FFN neurons, or attention heads."""
        return self.heads if site == "head" else self.width

    def check_site(self, site: Site) -> None:
        """Refuse a neuron site that the FFN does not have."""
        if site == "pre" and self.family.gated:
            raise InputError(
                'neurons.site = "pre" is not defined for a gated FFN (act(gate) * up has no one output '
                "before the nonlinearity); "
                'use site = "post"'
            )

    def hidden_states(self, states: Tensor, read: Tensor) -> Tensor:
        """States that the head reads, [S, h], from final states [S, T, h]; `read` [S] is the position of each sequence."""
        return self.head_input(states[torch.arange(len(read), device=read.device), read])

    def head_input(self, states: Tensor) -> Tensor:
        """What the head's last linear layer sees, from final states [..., h]."""
        if self.causal:
            return states
        pooler = getattr(self.body, "pooler", None)
        if self.family.head == "classifier" and pooler is not None:
            return torch.tanh(pooler.dense(states))
        return torch.tanh(self.model.get_submodule("classifier.dense")(states))

    def linear_layers(self) -> dict[str, nn.Module]:
        """Every linear layer but the head and the output embedding, by name."""
        embedding = getattr(self.model, "get_output_embeddings", lambda: None)()
        return {
            name: module
            for name, module in self.model.named_modules()
            if isinstance(module, nn.Linear | Conv1D) and module is not self.head and module is not embedding
        }

    def ffn_layers(self) -> dict[str, nn.Module]:
        """The linear layers of the FFNs, by name."""
        prefix = self.family.ffn_in.rpartition(".")[0]
        inside = {id(module) for module in (*self.ffn_in, *self.ffn_out)}
        if prefix == "mlp":
            inside |= {id(part) for layer in self.layers for part in layer.get_submodule(prefix).modules()}
        return {name: module for name, module in self.linear_layers().items() if id(module) in inside}


def head_of(model: nn.Module, family: Family) -> nn.Module:
    """The last linear layer: the family's classifier head where the model has one, else its output embedding."""
    try:
        return model.get_submodule(family.head)
    except AttributeError:
        embedding: nn.Module = model.get_output_embeddings()  # type: ignore[operator]
        return embedding


def linear_shape(module: nn.Module) -> tuple[int, int]:
    """(outputs, inputs) of a linear layer; GPT-2's Conv1D keeps its weight transposed."""
    rows, columns = module.get_parameter("weight").shape
    return (columns, rows) if isinstance(module, Conv1D) else (rows, columns)
