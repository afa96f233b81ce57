"""A model seen by its parts: where the FFN, the head and the read position are."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cached_property
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from attridex.indexer.errors import InputError
from attridex.indexer.models.batches import TokenBatch, pad
from attridex.indexer.models.families import give_logits_alone
from attridex.indexer.models.low_rank import LowRank
from attridex.indexer.structure.calls import (
    LENGTHS,
    encodes,
    evaluating,
    first_tensor,
    padding_of,
    run_body,
    run_model,
    tiny_texts,
    tried,
)  # fmt: skip
from attridex.indexer.structure.experts import ExpertWeight, Routing, routers, unknown_experts
from attridex.indexer.structure.family import Family
from attridex.indexer.structure.finding import Finder, Stage
from attridex.indexer.structure.parts import Ffn, LinearLayer, experts_of, linear_shape, one_width, shared_of
from attridex.indexer.structure.rotary import own_factors, varying_rotaries
from attridex.indexer.structure.staging import HeadReachedError
from attridex.indexer.structure.uses import LinearUse

Site = Literal["post", "pre", "head"]
"""Where activations are read and edited: FFN neurons behind or before the nonlinearity, or attention heads' outputs."""
NO_FFN = "attridex finds no FFN of one width in every layer"


class Architecture:
    """A model seen by its parts, which are found by structure (see `indexer.structure`) or named by a plugin's `Family`.

    Attributes:
        adapter: LoRA weights that are merged into the model, by layer; kept where their gradients are wanted.
        model: the whole model, in evaluation mode, parameters frozen.
        where: names it in errors.
        structure: what was found in it.
        body: the model without its head.
        layers: the transformer blocks in the order in which a pass calls them; one that is shared stands there more than once.
        ffns: the FFN of each; none where they are not found.
        attention_out: the output projection of each one's attention; none where they are not found.
        head: last linear layer: a classifier's, or the output embedding of a language model.
        causal: whether a position sees only what stands before it.
        heads: attention heads a layer.
        adds: what each layer's FFN output counts in the layer's output, which adds it; none where one does not.
        mixtures: of each layer its experts; None where every token passes the same FFN.
        experts: of a layer (E); 0 where there are none.
        expert_units: FFN neurons of one expert.
        shared: of each layer the FFN that every token passes; None where all are routed to experts.
        shared_units: of each layer the neurons of that FFN.
        width: FFN neurons a layer (F), those of all its experts counted; 0 where no FFNs are found.
        hidden: size of the state that the head reads (h).
        outputs: number of logits (C).
        staging: whether what runs now is what stands behind the blocks, for states of single positions.
    """

    def __init__(
        self, model: Any, family: Family | None = None, adapter: Mapping[str, LowRank] | None = None, where: str | None = None
    ) -> None:
        """Find the parts of a model.

        Args:
            model: of transformers.
            family: names modules that are not to be found by structure.
            adapter: LoRA weights that are merged into the model, by layer.
            where: names the model in errors.

        Raises:
            InputError: no blocks or no head are found, or the parts together do not say what the model says.
        """
        self.model, self.adapter, self.family = model, adapter or {}, family or Family()
        self.where = where or type(model).__name__
        give_logits_alone(model.config)
        with tried(model, self.where):
            self.structure = Finder(model, self.where, self.family).find()
        self.body, self.head, self.causal = self.structure.body, self.structure.head, self.structure.causal
        self.layers: Sequence[nn.Module] = self.structure.firings
        self.ffns = [] if unknown_experts(model, self.structure.experts) else one_width(self.structure.parts)
        self.mixtures, self.shared = [experts_of(ffn) for ffn in self.ffns], [shared_of(ffn) for ffn in self.ffns]
        self.experts, self.expert_units = next(((each.count, each.units) for each in self.mixtures if each), (0, 0))
        self.shared_units = [linear_shape(ffn.out)[1] if ffn else 0 for ffn in self.shared]
        attention = [parts.attention_out for parts in self.structure.parts]
        self.attention_out: list[nn.Module] = [module for module in attention if module is not None]
        self.heads = int(getattr(model.config.get_text_config(), "num_attention_heads", 0) or 0)
        self.adds = [ffn.adds for ffn in self.ffns if ffn.adds is not None]
        self.width = self.routed + max(self.shared_units, default=0)
        self.outputs, self.hidden = linear_shape(self.head)
        self.staging = False
        self._stage = Stage(model, self.structure)
        self._rotaries = varying_rotaries(model)
        with tried(model, self.where), evaluating(model), torch.no_grad():
            self._check_padding()

    @property
    def ffn_out(self) -> list[nn.Module]:
        """Each layer's last FFN linear, whose inputs are the FFN neurons; where tokens are routed, what holds the experts."""
        both = zip(self.shared, self.mixtures, strict=True)
        return [part.out if isinstance(part, Ffn) else part.module for pair in both if (part := pair[0] or pair[1])]

    @property
    def gated(self) -> bool:
        """Whether a neuron is act(gate) * up."""
        return any(ffn.gated for ffn in self.shared if ffn)

    @property
    def dense_layers(self) -> list[int]:
        """The layers that have no experts."""
        return [layer for layer, experts in enumerate(self.mixtures) if experts is None]

    @property
    def routed(self) -> int:
        """Places of a layer's neurons that are experts' own; those of a layer without experts stand behind them."""
        return self.experts * self.expert_units

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
        return values[..., self.routed : self.routed + self.shared_units[layer]]

    def units(self, site: Site) -> int:
        """Units a layer at a site: FFN neurons, or attention heads."""
        return self.heads if site == "head" else self.width

    def check_site(self, site: Site) -> None:
        """Refuse a neuron site that the model does not have.

        Raises:
            InputError: no FFN, no attention heads, a gated FFN before its nonlinearity, or a head that reads no one position.
        """
        off = "set neurons.enabled = false (instance attribution works)"
        if self.structure.reads == "whole":
            raise InputError(f"{self.where}: the head reads all positions together, so no one position has its neurons; {off}")
        if site == "head" and not self._has_heads():
            raise InputError(f'{self.where}: attridex finds no attention heads in every layer (neurons.site = "head"); {off}')
        if site != "head" and not self.ffns:
            raise InputError(f"{self.where}: {NO_FFN} of {type(self.model).__name__}, so it has no neurons; {off}")
        if site == "pre" and self.experts:
            raise InputError('neurons.site = "pre" is not defined for a mixture of experts; use site = "post"')
        if site == "pre" and self.gated:
            raise InputError(
                'neurons.site = "pre" is not defined for a gated FFN (act(gate) * up has no one output '
                "before the nonlinearity); "
                'use site = "post"'
            )

    def _has_heads(self) -> bool:
        """Whether every layer's attention has heads, as many as the configuration says."""
        sizes = {linear_shape(module)[1] for module in self.attention_out}
        return len(self.attention_out) == len(self.layers) and len(sizes) == 1 and self.heads > 0 and min(sizes) % self.heads == 0

    @property
    def bound(self) -> str:
        """What values decide of a pass' own shape or way; empty for nothing."""
        if self.experts:
            return "tokens are routed to experts"
        if self._rotaries:
            return "rotary factors follow a text's length"
        return "" if self.structure.end is None else "the answer is read where a token stands"

    @property
    def own_extent(self) -> float:
        """Tokens up to which rotary factors are the same, whatever a text's length."""
        found = [getattr(module, "original_max_seq_len", None) or 0 for module in self._rotaries]
        return min(found, default=float("inf"))

    def positioned(self, batch: TokenBatch) -> AbstractContextManager[None]:
        """Let rotary positions be those of each text alone, while a batch runs."""
        return own_factors(self._rotaries, batch.whole.tolist()) if self._rotaries else nullcontext()

    def final_states(self, batch: TokenBatch) -> Tensor:
        """What the last block gives [S, T, h]; no cache is filled."""
        if encodes(self.model):
            return self.last_states(lambda: self.decoded(batch))
        alone, types = self.structure.alone, {"token_type_ids": batch.types} if batch.types is not None else {}
        run, model = (run_body, self.body) if alone else (run_model, self.model)
        with self.positioned(batch):
            states = self.last_states(lambda: run(model, batch.ids, batch.mask, **types), whole=not alone)
        return states[:, : batch.ids.shape[1]]

    def decoded(self, batch: TokenBatch) -> Any:
        """A pass of an encoder-decoder model without its head."""
        source = batch.source or batch  # where a model is tried, anything will do
        states = self.model.get_encoder()(input_ids=source.ids, attention_mask=source.mask).last_hidden_state
        return self.model.get_decoder()(
            input_ids=batch.ids, attention_mask=batch.mask, encoder_hidden_states=states, encoder_attention_mask=source.mask,
            use_cache=False,
        )  # fmt: skip

    def _check_padding(self) -> None:
        """Refuse a model whose states depend on how far its batch is padded (a convolution over padding, for one).

        Raises:
            InputError: they do.
        """
        device, (long, short) = next(self.model.parameters()).device, tiny_texts(self.model, LENGTHS)
        batch, own = pad([long, short], padding_of(self.model), device), pad([short], 0, device)
        together, alone = self.final_states(batch), self.final_states(own)
        read = [(together[1, : len(short)], alone[0])]
        if self.structure.reads == "whole":
            read.append((self.hidden_states(together, batch)[1], self.hidden_states(alone, own)[0]))
        if not all(self._alike(*each) for each in read):
            raise InputError(
                f"{self.where}: what {type(self.model).__name__} says of a text depends on the padding of its batch, so attridex "
                "cannot say what it says of the text alone"
            )

    def _alike(self, one: Tensor, other: Tensor) -> bool:
        """Whether states are the same but for rounding."""
        tolerance = (5e-2 if half(self.model) else 1e-3) * float(other.abs().max())
        return torch.allclose(one.float(), other.float(), rtol=0, atol=tolerance)

    def last_states(self, run: Callable[[], Any], *, whole: bool = False) -> Tensor:
        """What the last block gives in a pass [S, T, h].

        Args:
            run: makes the pass.
            whole: whether it is one of the whole model, which is to end there: its head may not take what a batch holds.
        """
        seen: list[Tensor] = []
        wanted = list(self.layers).count(self.layers[-1])

        def see(_module: nn.Module, _args: Any, output: Any) -> None:
            seen.append(known(first_tensor(output)))
            if whole and len(seen) == wanted:
                raise HeadReachedError

        with self.layers[-1].register_forward_hook(see), suppress(HeadReachedError):
            run()
        return seen[-1].transpose(0, 1) if self.structure.tokens_first else seen[-1]

    def read(self, batch: TokenBatch) -> Tensor:
        """Position of each sequence that is read [S]: the first (CLS), or the last real token, unless the batch has its own."""
        if batch.own_reads is not None:
            return batch.own_reads
        if self.structure.reads == "first":
            return torch.zeros_like(batch.lengths)
        if self.structure.end is not None:
            return self._ends(batch, self.structure.end)
        padding = getattr(self.model.config.get_text_config(), "pad_token_id", None)
        if not self.structure.skips_padding or padding is None:
            return batch.lengths - 1
        places = torch.arange(batch.ids.shape[1], device=batch.ids.device)
        real = batch.mask.bool() & batch.ids.ne(padding)
        return (places * real).argmax(1)

    def _ends(self, batch: TokenBatch, end: int) -> Tensor:
        """The last place of a token in each sequence [S].

        Raises:
            InputError: it has none.
        """
        found = batch.mask.bool() & batch.ids.eq(end)
        if not found.any(1).all():
            raise InputError(
                f"{self.where}: a text has no token {end} (eos_token_id of config.json), where {type(self.model).__name__} reads "
                "its answer; the tokenizer must put it at the end of each text"
            )
        return (torch.arange(batch.ids.shape[1], device=batch.ids.device) * found).argmax(1)

    def hidden_states(self, states: Tensor, batch: TokenBatch) -> Tensor:
        """What the head reads for each sequence [S, h], from final states [S, T, h]."""
        if self.structure.reads == "whole":
            return self._stage(states, batch.ids, batch.mask)
        return self.head_input(states[torch.arange(len(states), device=states.device), self.read(batch)])

    def head_input(self, states: Tensor) -> Tensor:
        """What the head's last linear layer sees, from final states of single positions [..., h]."""
        self.staging = True
        try:
            flat = self._stage(states.reshape(-1, states.shape[-1]))
        finally:
            self.staging = False
        return flat.reshape(*states.shape[:-1], -1)

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits [..., C] of states that the head reads [..., h]."""
        made: Tensor = self.head(hidden)
        return self.structure.rule(made)

    def linear_layers(self, chosen: Callable[[str], object] = bool) -> dict[str, LinearLayer]:
        """Every linear layer that has a part in the answer, but the head and the output embedding, by name.

        Fused weights of experts, and what routes tokens to them, are among them.

        Args:
            chosen: whether a name is of those that are wanted.

        Raises:
            InputError: the model has experts in a form that is not known here, and they are wanted.
        """
        if unknown := [name for name in unknown_experts(self.model, self.structure.experts) if chosen(name)]:
            raise InputError(
                f"{self.where}: {unknown[0]} holds the weights of experts in a form that attridex does not know, so their "
                'gradients cannot be read; use gradients.parameters = "head" (of a classifier) or a pattern of other layers'
            )
        embedding = getattr(self.model, "get_output_embeddings", lambda: None)()
        found: dict[str, LinearLayer] = {}
        for name, module in self.model.named_modules():
            linear = isinstance(module, nn.Linear | Conv1D) and (self.uses[name].weight or self.uses[name].fires)
            if linear and module is not self.head and module is not embedding:
                found[name] = module
            found |= self._mixture_layers.get(name, {})
        return {name: layer for name, layer in found.items() if chosen(name)}

    @cached_property
    def _mixture_layers(self) -> dict[str, dict[str, LinearLayer]]:
        """What is linear in a mixture of experts and no linear layer, by name and by the module that holds it."""
        found: dict[str, dict[str, LinearLayer]] = {}
        for experts in self.structure.experts.values():
            found |= {name: {name: module} for name, module in routers(self.model, self.layers, experts).items()}
            found[experts.name] = dict(experts.weights)
        return found

    @cached_property
    def uses(self) -> Mapping[str, LinearUse]:
        """How often a pass uses each linear layer, by name; in a mixture of experts what is no linear layer of its own, too."""
        held = {name: layer for found in self._mixture_layers.values() for name, layer in found.items()}
        seen = {name: LinearUse(1, int(isinstance(layer, ExpertWeight)), False, False) for name, layer in held.items()}
        return {**self.structure.uses, **seen}

    def ffn_layers(self) -> dict[str, LinearLayer]:
        """The linear layers of the FFNs, by name; of experts their fused weights.

        Raises:
            InputError: they are not found.
        """
        if not self.ffns:
            raise InputError(f'{self.where}: {NO_FFN} of {type(self.model).__name__}; use gradients.parameters = "linear"')
        inside = {id(layer) for ffn in self.shared if ffn for layer in ffn.layers}
        every = self.linear_layers().items()
        return {name: layer for name, layer in every if isinstance(layer, ExpertWeight) or id(layer) in inside}

    def check_layers(self, names: Sequence[str]) -> None:
        """Refuse layers whose gradients hooks do not see whole.

        Raises:
            InputError: the answer follows from a layer's weight otherwise than by calls of the layer.
        """
        for name in names:
            use = self.uses[name]
            if not use.multiplies:
                raise InputError(
                    f"{self.where}: {name} is a linear layer that does not give its input times its weight, so its gradient "
                    "cannot be read; choose other layers by a regular expression (gradients.parameters)"
                )
            if use.weight != use.fires and not use.passed_by:
                raise InputError(
                    f"{self.where}: a pass uses the weight of {name} {use.weight} times and calls the layer {use.fires} times, "
                    "so its gradient cannot be read; choose other layers by a regular expression (gradients.parameters)"
                )


def half(model: nn.Module) -> bool:
    """Whether a model has weights of two bytes."""
    return next(model.parameters()).dtype in (torch.float16, torch.bfloat16)


def known(value: Tensor | None) -> Tensor:
    """A tensor that is there."""
    if value is None:
        raise RuntimeError("a block gave no tensor")
    return value
