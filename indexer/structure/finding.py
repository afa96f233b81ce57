"""A model's structure, found from its modules and traced passes on a tiny input, and checked there."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from attridex.indexer.errors import InputError
from attridex.indexer.structure.blocks import block_calls, block_lists, up_to
from attridex.indexer.structure.calls import (
    LENGTHS,
    SEQUENCES,
    TOKENS,
    Call,
    encodes,
    end_token,
    evaluating,
    other_id,
    recorded,
    run_body,
    run_model,
    tiny_ids,
    tiny_texts,
)  # fmt: skip
from attridex.indexer.structure.experts import FusedExperts, fused_experts
from attridex.indexer.structure.family import Family
from attridex.indexer.structure.logits import CAPS, LogitRule, logit_rule
from attridex.indexer.structure.parts import BlockParts, Ffn, block_parts
from attridex.indexer.structure.reading import Reads, head_call, linear_modules, reads_of, rows_read
from attridex.indexer.structure.staging import head_inputs, padding_id, passed_by
from attridex.indexer.structure.uses import LinearUse, linear_uses, wanting_gradients

LAYER_COUNTS = ("num_hidden_layers", "decoder_layers", "num_decoder_layers")
"""Settings of a model's configuration that say how many blocks it has."""


@dataclass(frozen=True)
class Structure:
    """A model seen by its parts.

    Attributes:
        body: the model without its head.
        firings: the blocks in the order in which a pass calls them; one that is shared stands there more than once.
        outputs: what each of them gave in a traced pass.
        parts: of each of them.
        tokens_first: whether blocks have states [T, S, h].
        head: the last linear layer.
        reads: whose states the head reads.
        skips_padding: whether the last position read is the last one whose id is not the padding token's, masked or not.
        end: the token whose last place is read, whatever stands behind it; None where it is not looked for.
        alone: whether the body alone gives the states that it gives in the whole model.
        rule: what becomes of the head's output.
        causal: whether a position sees only what stands before it.
        uses: how often a pass uses each linear layer, by name.
        experts: fused experts, by their modules.
    """

    body: nn.Module
    firings: Sequence[nn.Module]
    outputs: Sequence[Any]
    parts: Sequence[BlockParts]
    tokens_first: bool
    head: nn.Module
    reads: Reads
    skips_padding: bool
    end: int | None
    alone: bool
    rule: LogitRule
    causal: bool
    uses: Mapping[str, LinearUse]
    experts: Mapping[nn.Module, FusedExperts]


class Trace(NamedTuple):
    """A pass: its logits and the calls of what was watched."""

    logits: Tensor
    calls: list[Call]

    def made(self, block: nn.Module) -> Tensor:
        """What a block gave when it was called last."""
        return [call.made for call in self.calls if call.module is block][-1]

    def states(self, block: nn.Module, tokens_first: bool) -> Tensor:
        """What a block gave when it was called last, [S, T, h]."""
        made = self.made(block).transpose(0, 1) if tokens_first else self.made(block)
        return made[:, :TOKENS]


class Finder:
    """Traced passes of one model."""

    def __init__(self, model: Any, where: str, family: Family | None = None) -> None:
        """Nothing runs yet.

        Args:
            model: of transformers.
            where: names it in errors.
            family: names modules that are not to be found by structure.
        """
        self.model, self.where, self.family = model, where, family or Family()
        self.config = model.config
        self.device = next(model.parameters()).device
        self.ids = tiny_ids(model).to(self.device)
        self.mask = torch.ones_like(self.ids)
        self.linear = linear_modules(model)
        self.experts = fused_experts(model)
        half = next(model.parameters()).dtype in (torch.float16, torch.bfloat16)
        self.tolerance = 5e-2 if half else 1e-4

    def find(self) -> Structure:
        """The structure.

        Raises:
            InputError: a part that every task needs is not found, or the parts together do not say what the model says.
        """
        before = ways(self.model)
        with evaluating(self.model):
            found = self._found()
        self._check_unchanged(before)
        return found

    @property
    def name(self) -> str:
        """The model's class."""
        return type(self.model).__name__

    def _found(self) -> Structure:
        blocks, parts = self._blocks()
        body = self._body(blocks[-1].module)
        first = blocks[-1].made.shape[0] != SEQUENCES
        head, uses, rule, logits, states = self._whole(body, blocks[-1].module, first)
        reads, skips = self._reads(blocks[-1].module)
        end = self._end(blocks[-1].module) if reads == "last" else None
        causal = self._causal(blocks[-1].module, first, states)
        firings, outputs = [call.module for call in blocks], [without_tensors(call.output) for call in blocks]
        alone = self._gives_alone(body, blocks[-1].module, first, states)
        skips = skips and end is None
        found = Structure(body, firings, outputs, parts, first, head, reads, skips, end, alone, rule, causal, uses, self.experts)
        self._check(found, states, logits)
        return found

    def _trace(self, watched: Mapping[nn.Module, bool], ids: Tensor | None = None, mask: Tensor | None = None) -> Trace:
        """A pass on the tiny input, or another, with its calls."""
        unpadded = getattr(self.config.get_text_config(), "pad_token_id", None) is None
        padding = padding_id(self.config, other_id(self.ids, self.model)) if unpadded else nullcontext()
        with torch.enable_grad(), padding, recorded(watched) as calls:  # a classifier without one takes one text at a time
            logits = run_model(self.model, self.ids if ids is None else ids, self.mask if mask is None else mask)
        return Trace(logits, calls)

    def _blocks(self) -> tuple[list[Call], list[BlockParts]]:
        """The blocks' calls, and the parts of each."""
        named = self._named_blocks()
        watched = {module: False for members in block_lists(self.model).values() for module in members}
        watched |= dict.fromkeys(named, False) | dict.fromkeys([*self.linear.values(), *self.experts], True)
        calls = self._trace(watched).calls
        blocks = [call for call in calls if call.module in named] if named else block_calls(self.model, calls)
        if not blocks:
            raise InputError(f"{self.where}: attridex finds no blocks in {self.name} that turn states into states")
        if self.family.ffn_out is not None:
            return blocks, [named_parts(block.module, self.family, self.config) for block in blocks]
        layers = set(self.linear.values())
        linear, routed = ([call for call in calls if call.module in kind] for kind in (layers, self.experts))
        spans = blocks if any(block.holds(call) for block in blocks for call in linear) else up_to(blocks)
        parts = [block_parts(span, linear, self.experts, routed) for span in spans]
        return blocks, parts if self._complete(len(blocks)) else [BlockParts(None, None)] * len(blocks)

    def _complete(self, blocks: int) -> bool:
        """Whether these may be all blocks, by the number of layers in the model's configuration."""
        text = self.config.get_text_config()
        told = [number for name in LAYER_COUNTS if isinstance(number := getattr(text, name, None), int) and number]
        return not told or any(blocks % number == 0 for number in told)

    def _named_blocks(self) -> list[nn.Module]:
        """The blocks that the family names."""
        if self.family.layers is None:
            return []
        layers = family_part(self.model, "layers", self.family.layers)
        if not isinstance(layers, nn.ModuleList):
            raise InputError(f"{self.family.layers}: the model's layers are no list")
        return list(layers)

    def _body(self, block: nn.Module) -> nn.Module:
        """The part of the model that holds its blocks."""
        if self.family.body is not None:
            return family_part(self.model, "body", self.family.body)
        children: list[nn.Module] = list(self.model.children())
        for child in children:
            if block in set(child.modules()) and not isinstance(child, nn.ModuleList):
                return child
        raise InputError(f"{self.where}: {self.name} has no body apart from its head")

    def _whole(
        self, body: nn.Module, last: nn.Module, first: bool
    ) -> tuple[nn.Module, dict[str, LinearUse], LogitRule, Tensor, Tensor]:
        """Head, uses of linear layers, what becomes of the head's output, logits, and final states [S, T, h]."""
        weights = [module.weight for module in self.linear.values() if isinstance(module.weight, nn.Parameter)]
        with wanting_gradients(weights):
            trace = self._trace({**dict.fromkeys(self.linear.values(), False), last: False})
            linear = [call for call in trace.calls if call.module is not last]
            uses = linear_uses(self.linear, linear, trace.logits.sum())
        head = head_call(self.model, linear, body, trace.logits)
        if head is None:
            raise InputError(f"{self.where}: the logits of {self.name} come from no linear layer")
        return head.module, uses, self._rule(head, trace.logits), trace.logits.detach(), trace.states(last, first).detach()

    def _rule(self, head: Call, logits: Tensor) -> LogitRule:
        """What becomes of the head's output; a classifier may pick positions behind it, and nothing else."""
        if head.made.numel() != logits.numel():
            return LogitRule()
        text = self.config.get_text_config()
        cap = next((found for name in CAPS if (found := getattr(text, name, None))), None)
        rule = logit_rule(head.made, logits, cap, self.tolerance) or logit_rule(head.made, logits, None, self.tolerance)
        if rule is None:
            raise InputError(f"{self.where}: the logits of {self.name} are no known function of its head's output")
        return rule

    def _reads(self, last: nn.Module) -> tuple[Reads, bool]:
        """Whose states the head reads in a padded batch, and whether it knows padding by its id."""
        pad = other_id(self.ids, self.model)
        ids, mask = torch.full_like(self.ids, pad), torch.zeros_like(self.mask)
        for row, (text, length) in enumerate(zip(tiny_texts(self.model, LENGTHS), LENGTHS, strict=True)):
            ids[row, :length], mask[row, :length] = torch.tensor(text), 1
        with padding_id(self.config, pad):
            masked, by_id = (self._trace({last: True}, ids, each) for each in (mask, self.mask))
        reads = reads_of(masked.logits, masked.made(last), LENGTHS)
        if reads != "last":
            return reads, False
        read = rows_read(by_id.logits, by_id.made(last))
        return reads, bool(read[torch.arange(len(LENGTHS)), torch.tensor(LENGTHS) - 1].all())

    def _end(self, last: nn.Module) -> int | None:
        """The token whose last place is read though others stand behind it; None where there is no such token."""
        end, ids = end_token(self.model), self.ids.roll(-2, 1)
        if end is None:
            return None
        trace = self._trace({last: True}, ids)
        read = rows_read(trace.logits, trace.made(last))[:, :TOKENS]
        return end if read.equal(ids.eq(end).cpu()) else None

    @torch.no_grad()
    def _causal(self, last: nn.Module, first: bool, states: Tensor) -> bool:
        """Whether earlier states stay as they are where the last token is another."""
        ids, at = self.ids.clone(), -1 if end_token(self.model) is None else -2
        ids[:, at] = other_id(self.ids, self.model)
        other = self._trace({last: False}, ids).states(last, first)
        before, after = states[:, :at].float(), other.detach()[:, :at].float()
        return torch.allclose(before, after, rtol=1e-3, atol=self.tolerance * float(before.abs().max()))

    @torch.no_grad()
    def _gives_alone(self, body: nn.Module, last: nn.Module, first: bool, states: Tensor) -> bool:
        """Whether the body alone gives the states of the whole model, which may tell it more (Longformer, T5's classifier)."""
        if encodes(self.model):
            return True
        try:
            with recorded({last: False}) as calls:
                run_body(body, self.ids, self.mask)
        except Exception:  # the model's own code: whatever it raises
            return False
        own = Trace(states, calls).states(last, first)[:, :TOKENS]
        return torch.allclose(own.float(), states.float(), rtol=1e-3, atol=self.tolerance * float(states.abs().max()))

    def _check_unchanged(self, before: Mapping[str, Any]) -> None:
        """Refuse a model that a pass on a short text has changed, so that what it says would depend on the texts before.

        Raises:
            InputError: it has.
        """
        changed = next(((name, value) for name, value in ways(self.model).items() if before.get(name) != value), None)
        if changed is None:
            return
        name, value = changed
        setting = name.rpartition(".")[2]
        remedy = f'; if it learned so, set "{setting}": {value!r} in its config.json' if hasattr(self.config, setting) else ""
        raise InputError(
            f"{self.where}: a pass of {self.name} on a short text turns {name} from {before.get(name)!r} to {value!r}, so what "
            f"it says of a text would depend on the texts before{remedy}"
        )

    @torch.no_grad()
    def _check(self, found: Structure, states: Tensor, logits: Tensor) -> None:
        """The parts, put together, must say what the model says."""
        rows = {"first": states[:, 0], "last": states[:, -1], "each": states.flatten(0, 1), "whole": states}[found.reads]
        own = found.rule(found.head(Stage(self.model, found)(rows, self.ids, self.mask)))
        if own.numel() != logits.numel():
            raise InputError(
                f"{self.where}: {self.name} puts the outputs of its head at all positions together to one answer (as a late "
                "pooling does); attridex reads heads that give the answer themselves"
            )
        own = own.reshape(logits.shape)
        if not torch.allclose(own.float(), logits.float(), rtol=self.tolerance, atol=self.tolerance * float(logits.abs().max())):
            raise InputError(
                f"{self.where}: {self.name} run by its parts gives other logits than the model itself; "
                "attridex does not know how to read it"
            )


class Stage:
    """What stands between a model's blocks and its head."""

    def __init__(self, model: Any, structure: Structure) -> None:
        """Prepare to run it."""
        self._model, self._structure = model, structure

    def __call__(self, states: Tensor, ids: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """What the head reads [N, h'].

        Args:
            states: of single positions [N, h], or of whole sequences [S, T, h].
            ids: of whole sequences.
            mask: of whole sequences.
        """
        single = states.dim() == 2
        if single:
            token = 1 if self._structure.end is None else self._structure.end
            ids = torch.full((len(states), 1), token, device=states.device)
            mask, states = torch.ones_like(ids), states[:, None]
        if ids is None or mask is None:
            raise ValueError("whole sequences come with their ids and mask")
        found = self._structure
        given = states.transpose(0, 1) if found.tokens_first else states
        padding = padding_id(self._model.config, 0) if single else nullcontext()
        with padding, same_randomness(self._model.training), passed_by(found.firings, found.outputs, given):
            inputs = head_inputs(self._model, found.head, ids, mask)
        return inputs.reshape(len(states), -1) if single else inputs


def ways(model: nn.Module) -> dict[str, Any]:
    """How a model's modules compute, as far as they say it in words or by yes and no, by name."""
    held = ((f"{name}.{key}".lstrip("."), value) for name, module in model.named_modules() for key, value in vars(module).items())
    return {name: value for name, value in held if isinstance(value, str | bool) and not name.endswith("training")}


@contextmanager
def same_randomness(training: bool) -> Iterator[None]:
    """Let random numbers go on behind a pass as if it had not been, in a training."""
    with torch.random.fork_rng() if training else nullcontext():
        yield


def without_tensors(output: Any) -> Any:
    """The kind of a block's output, without what it holds."""
    return type(output)((None,) * len(output)) if isinstance(output, tuple | list) else None


def named_parts(block: nn.Module, family: Family, config: Any) -> BlockParts:
    """The parts of a block that a family names."""
    part = partial(family_part, block)
    adds = family.adds and (family.adds_if is None or bool(getattr(config, family.adds_if, True)))
    up = None if family.ffn_up is None else part("ffn_up", family.ffn_up)
    first, out = part("ffn_in", family.ffn_in or ""), part("ffn_out", family.ffn_out or "")
    ffn = Ffn(first, out, up, up is not None, 1.0 if adds else None)
    return BlockParts(ffn, None if family.attention_out is None else part("attention_out", family.attention_out))


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
