"""A model seen by its parts: where the FFN, the head and the read position are."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from attridex.indexer.errors import InputError
from attridex.indexer.models.batches import TokenBatch
from attridex.indexer.models.experts import ExpertWeight, FusedExperts, Routing, find_experts, routers
from attridex.indexer.models.families import Family
from attridex.indexer.models.low_rank import LowRank

Site = Literal["post", "pre", "head"]
"""Where activations are read and edited: FFN neurons behind or before the nonlinearity, or attention heads' outputs."""
LinearLayer = nn.Module | ExpertWeight
"""A module with a weight that its inputs are multiplied by, or all experts' at once."""


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
        mixtures: of each layer its experts; None where every token passes the same FFN.
        experts: of a layer (E); 0 where there are none.
        expert_units: FFN neurons of one expert.
        shared_units: of each layer the FFN neurons that no expert has.
        width: FFN neurons a layer (F), those of all its experts counted.
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
        self.mixtures = [find_experts(model, layer) for layer in self.layers]
        self.ffn_in = [self._dense("ffn_in", family.ffn_in, layer) for layer in range(len(self.layers))]
        self.ffn_out = [self._dense("ffn_out", family.ffn_out, layer) for layer in range(len(self.layers))]
        self.attention_out = [family_part(layer, "attention_out", family.attention_out) for layer in self.layers]
        self.heads = int(model.config.num_attention_heads)  # type: ignore[union-attr, arg-type]
        self.adds = family.adds and (family.adds_if is None or bool(getattr(model.config, family.adds_if, True)))
        self.head = head_of(model, family)
        self.causal = family.causal
        self.experts, self.expert_units = sizes_of(self.mixtures)
        self.shared_units = [0 if module is None else linear_shape(module)[1] for module in self.ffn_out]
        self.width = self.routed + max(self.shared_units)
        self.outputs, self.hidden = linear_shape(self.head)

    def _dense(self, part: str, name: str, layer: int) -> nn.Module | None:
        """A part of a layer's FFN; None where its tokens are routed to experts."""
        return None if self.mixtures[layer] else family_part(self.layers[layer], part, name)

    @property
    def routed(self) -> int:
        """Places of a layer's neurons that are experts' own; those of a layer without experts stand behind them."""
        return self.experts * self.expert_units

    @property
    def dense_layers(self) -> list[int]:
        """The layers that have no experts."""
        return [layer for layer, experts in enumerate(self.mixtures) if experts is None]

    def placed(self, layer: int, values: Float[Tensor, "B n"], routing: Routing | None) -> Float[Tensor, "B F"]:
        """Values of the FFN units that a layer computed, among all that a layer may have; 0 elsewhere.

        Args:
            layer: the layer.
            values: of its units; of a mixture of experts those of the routed ones.
            routing: of the tokens, in a mixture of experts.
        """
        if not self.experts:
            return values
        own, start = values, self.routed
        if (experts := self.mixtures[layer]) and routing:
            own, start = experts.spread(values, routing), 0
        return F.pad(own, (start, self.width - start - own.shape[-1]))

    def picked(self, layer: int, values: Float[Tensor, "*B F"], routing: Routing | None) -> Float[Tensor, "*B n"]:
        """The inverse of `placed`: values of the units that a layer computes.

        Args:
            layer: the layer.
            values: of all units that a layer may have.
            routing: of the tokens, in a mixture of experts.
        """
        if not self.experts:
            return values
        if (experts := self.mixtures[layer]) and routing:
            return experts.gathered(values[..., : self.routed], routing)
        return values[..., self.routed :]

    def units(self, site: Site) -> int:
        """Units a layer at a site: FFN neurons, or attention heads."""
        return self.heads if site == "head" else self.width

    def check_site(self, site: Site) -> None:
        """Refuse a neuron site that the FFN does not have."""
        if site == "pre" and self.experts:
            raise InputError('neurons.site = "pre" is not defined for a mixture of experts; use site = "post"')
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

    def linear_layers(self) -> dict[str, LinearLayer]:
        """Every linear layer but the head and the output embedding, by name; fused experts' weights and their routers, too."""
        embedding = getattr(self.model, "get_output_embeddings", lambda: None)()
        mixtures = self._mixture_layers()
        found: dict[str, LinearLayer] = {}
        for name, module in self.model.named_modules():
            if isinstance(module, nn.Linear | Conv1D) and module is not self.head and module is not embedding:
                found[name] = module
            found |= mixtures.get(name, {})
        return found

    def _mixture_layers(self) -> dict[str, dict[str, LinearLayer]]:
        """What is linear in a mixture of experts and no linear layer, by name and by the module that holds it."""
        found: dict[str, dict[str, LinearLayer]] = {}
        for layer, experts in zip(self.layers, self.mixtures, strict=True):
            if experts:
                found |= {name: {name: module} for name, module in routers(self.model, layer, experts).items()}
                found[experts.name] = dict(experts.weights)
        return found

    def ffn_layers(self) -> dict[str, LinearLayer]:
        """The linear layers of the FFNs, by name; all weights of experts."""
        names = list(filter(None, (self.family.ffn_in, self.family.ffn_up, self.family.ffn_out)))
        dense = [layer for layer, experts in zip(self.layers, self.mixtures, strict=True) if not experts]
        inside = {id(layer.get_submodule(name)) for name in names for layer in dense}
        linear = self.linear_layers().items()
        return {name: layer for name, layer in linear if isinstance(layer, ExpertWeight) or id(layer) in inside}


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


def sizes_of(mixtures: Sequence[FusedExperts | None]) -> tuple[int, int]:
    """Experts of a layer, and units of one.

    Raises:
        InputError: layers differ in them.
    """
    sizes = {(each.count, each.units) for each in mixtures if each}
    if len(sizes) > 1:
        shown = ", ".join(f"{count} of {units} units" for count, units in sorted(sizes))
        raise InputError(f"the model's layers differ in their experts ({shown}); attridex names neurons of alike ones only")
    return sizes.pop() if sizes else (0, 0)


def linear_shape(module: LinearLayer) -> tuple[int, int]:
    """(outputs, inputs) of a linear layer; GPT-2's Conv1D keeps its weight transposed."""
    if isinstance(module, ExpertWeight):
        return module.shape
    rows, columns = module.get_parameter("weight").shape
    return (columns, rows) if isinstance(module, Conv1D) else (rows, columns)
