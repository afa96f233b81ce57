"""Edited copies of an instance's read position, run together: the one engine behind neuron scores and ablations.

With a causal model an edit of the last position leaves every earlier key and value unchanged. So the prefix runs once, and
all edited copies ride as query rows of ONE decode step, each attending to the shared prefix and itself alone. Rows that
are edited first in layer l equal the unedited row up to there, so they enter at layer l, or behind it where the caller
knows what the layer makes of them. Encoders (and causal models with a sliding window) run copies of the whole sequence
instead, which enter the batch in the same way.

Letters: B instances, R rows of each (row 0 unedited), r of them so far, P prefix positions, F FFN units, C outputs, h hidden
size.
"""

import inspect
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers.cache_utils import DynamicCache

from attridex.indexer.errors import InputError
from attridex.indexer.models.architectures import Architecture, Site
from attridex.indexer.models.batches import TokenBatch, pad
from attridex.indexer.models.hooks import Turns, edited_ffn, routing_held
from attridex.indexer.neurons.row_attention import attending, fits
from attridex.indexer.structure.calls import LENGTHS, first_tensor, padding_of, takes, tiny_texts, with_first
from attridex.indexer.structure.experts import Routing

WINDOWS = ("sliding_window", "window_size", "attention_chunk_size")
"""Settings of a model's configuration that say how many tokens a layer sees."""

OF_SEQUENCES = (
    "attention_mask", "position_embeddings", "position_ids", "alibi", "encoder_hidden_states", "encoder_attention_mask",
    "is_index_masked", "is_index_global_attn",
)  # fmt: skip
"""What a layer may be called with for each sequence, beside its states."""

RowEdit = Callable[[int, Float[Tensor, "B r F"], Routing | None], Float[Tensor, "B r F"]]
"""edit(layer, activations of the rows so far, where they are routed) -> the edited ones; the last rows entered at this layer."""
RowGrowth = Callable[[int, Float[Tensor, "B r h"]], Float[Tensor, "B R h"]]
"""grow(layer, states behind it of the rows so far) -> the states with the rows that enter there."""

Arguments = dict[str, Any]
"""What a module of transformers is called with, by name."""


class RowOutputs(NamedTuple):
    """What the head gives for each row, and what it reads."""

    logits: Float[Tensor, "B R C"]
    hidden: Float[Tensor, "B R h"]


def run_rows(
    arch: Architecture, batch: TokenBatch, site: Site, enter: Sequence[int], edit: RowEdit, *, held: bool = True
) -> RowOutputs:
    """Run each instance with copies of its read position.

    Args:
        arch: the classifier.
        batch: B sequences.
        site: where `edit` acts.
        enter: for each layer, how many copies of row 0 enter before it.
        edit: replaces FFN activations at the read position.
        held: whether a mixture's experts and their weights stay those of the unedited row, as constants.

    Returns:
        Outputs of R = 1 + sum(enter) rows; gradients flow if enabled by the caller.
    """
    batch = until_read(arch, batch)
    if packs(arch, batch):
        return PackedRows(arch, batch, enter, held=held).run(site, edit)
    rows = CopiedRows if agrees(arch, CopiedRows) else WholeRows
    return rows(arch, batch, enter, held=held).run(site, edit)


def grow_rows(arch: Architecture, batch: TokenBatch, site: Site, see: RowEdit, grow: RowGrowth) -> Float[Tensor, "B R C"]:
    """Run the read position of each instance alone, with rows that enter behind layers as `grow` makes them.

    Args:
        arch: the model; its rows pack (see `packs`).
        batch: B sequences.
        site: where `see` looks.
        see: sees the activations; must give them back as they are.
        grow: adds rows behind each layer.

    Returns:
        Logits; row 0 is the unedited one.
    """
    return PackedRows(arch, until_read(arch, batch), [0] * len(arch.layers), grow).run(site, see).logits


def until_read(arch: Architecture, batch: TokenBatch) -> TokenBatch:
    """Sequences of a causal model up to the position that is read; what comes behind it changes nothing."""
    if not arch.causal or (arch.structure.reads != "last" and batch.own_reads is None):
        return batch
    lengths = arch.read(batch) + 1
    places = torch.arange(batch.ids.shape[1], device=batch.ids.device)
    return replace(batch, mask=(places < lengths[:, None]).long(), lengths=lengths, extents=batch.whole)


def packs(arch: Architecture, batch: TokenBatch) -> bool:
    """Whether the copies can ride as query rows of one decode step."""
    window = window_of(arch)
    return (
        arch.causal
        and arch.structure.reads in ("last", "each")
        and (window is None or batch.ids.shape[1] <= window)
        and agrees(arch, PackedRows)
    )


def window_of(arch: Architecture) -> int | None:
    """Tokens that a layer with the shortest window sees; None where all layers see everything."""
    config = arch.model.config.get_text_config()
    kinds = getattr(config, "layer_types", None)
    if kinds is not None and all(kind == "full_attention" for kind in kinds):
        return None
    if getattr(config, "use_sliding_window", True) is False:
        return None
    sizes = [size for name in WINDOWS if isinstance(size := getattr(config, name, None), int) and size > 0]
    return min(sizes, default=None)


def agrees(arch: Architecture, rows: "type[PackedRows | CopiedRows]") -> bool:
    """Whether a way of running copies gives what whole sequences give, on a tiny input; tried once a model."""
    known = TRIED.setdefault(arch, {})
    if rows not in known:
        known[rows] = tried(arch, rows)
    return known[rows]


@torch.no_grad()
def tried(arch: Architecture, rows: "type[PackedRows | CopiedRows]") -> bool:
    """Run copies of a tiny input with halved activations, both ways."""
    batch = tiny_batch(arch)
    enter = [1] * len(arch.layers)

    def halved(_layer: int, x: Tensor, _routing: Routing | None) -> Tensor:
        return torch.cat([x[:, :1], x[:, 1:] * 0.5], 1)

    site: Site = "post" if arch.ffns else "head"
    expected = WholeRows(arch, batch, enter).run(site, halved).logits
    try:
        found = rows(arch, batch, enter).run(site, halved).logits
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError, KeyError, NotImplementedError, InputError):
        return False
    half = expected.dtype in (torch.float16, torch.bfloat16)
    rtol = 5e-2 if half else 1e-3
    return torch.allclose(found, expected, rtol=rtol, atol=rtol * 1e-1 * float(expected.abs().max()))


def tiny_batch(arch: Architecture) -> TokenBatch:
    """Two short sequences of different lengths."""
    return pad(tiny_texts(arch.model, LENGTHS), padding_of(arch.model), next(arch.model.parameters()).device)


def layer_arguments(layer: nn.Module, args: tuple[Any, ...], kwargs: Arguments) -> tuple[Tensor, Arguments]:
    """The arguments of a layer's call by name, the hidden states apart."""
    parameters = list(inspect.signature(layer.forward).parameters)
    named = {**dict(zip(parameters, args, strict=False)), **kwargs}
    return named.pop(parameters[0]), named


class Rows:
    """What the ways of running copies have in common."""

    def __init__(self, arch: Architecture, batch: TokenBatch, enter: Sequence[int], *, held: bool = True) -> None:
        """Nothing runs yet.

        Args:
            arch: the model.
            batch: B sequences.
            enter: for each layer, how many copies of row 0 enter before it.
            held: whether all rows are routed as the unedited one; see `run_rows`.
        """
        self._arch, self._batch, self._enter, self._held = arch, batch, enter, held
        self._size = len(batch.ids)
        self._rows = 1

    def routing(self) -> AbstractContextManager[None]:
        """Let every row be routed as the unedited one of its instance, where that is asked for."""
        return routing_held(self._arch, self.as_unedited) if self._held else nullcontext()

    def as_unedited(self, routing: Routing) -> Routing:
        """The routing of row 0 for all rows, as a constant; copies of whole sequences follow each other."""
        length = self._size * self._batch.ids.shape[1]
        own = Routing(routing.experts[:length], routing.weights[:length].detach())
        return Routing(*(part.repeat(len(routing.experts) // length, 1) for part in own))

    def outputs(self, states: Float[Tensor, "B R h"]) -> RowOutputs:
        """What the head says of rows."""
        hidden = self._arch.head_input(states)
        return RowOutputs(self._arch.logits(hidden), hidden)


class PackedRows(Rows):
    """Copies as query rows of one decode step over a shared prefix."""

    def __init__(
        self, arch: Architecture, batch: TokenBatch, enter: Sequence[int], grow: RowGrowth | None = None, *, held: bool = True
    ) -> None:
        """Nothing runs yet.

        Args:
            arch: the model.
            batch: B sequences.
            enter: for each layer, how many copies of row 0 enter before it.
            grow: adds rows behind each layer.
            held: whether all rows are routed as the unedited one; see `run_rows`.
        """
        super().__init__(arch, batch, enter, held=held)
        self._grow = grow
        self._backend = fits(arch)
        self._prefix = batch.ids.shape[1] - 1
        position = torch.arange(self._prefix, device=batch.ids.device)
        self._seen = position[None] < batch.lengths[:, None] - 1  # B x P

    def run(self, site: Site, edit: RowEdit) -> RowOutputs:
        """See `run_rows`."""
        batch, arch = self._batch, self._arch
        cache = DynamicCache()
        # A prefix of padding alone would give NaN; its keys are masked from the rows, so one token may stay visible.
        mask = self._seen.long()
        if self._prefix:
            mask[:, 0] = 1
            types = {} if batch.types is None else {"token_type_ids": batch.types[:, :-1]}
            with torch.no_grad(), arch.positioned(batch):
                arch.body(batch.ids[:, :-1], attention_mask=mask, past_key_values=cache, use_cache=True, **types)
        read = (batch.lengths - 1)[:, None]
        last = batch.ids.gather(1, read)
        step: Arguments = {"attention_mask": torch.cat([mask, torch.ones_like(last)], 1), "past_key_values": cache}
        if batch.types is not None:
            step["token_type_ids"] = batch.types.gather(1, read)
        if takes(arch.body, "position_ids"):
            step["position_ids"] = read
        attention = attending(arch) if self._backend else nullcontext()
        edits, layers = edited_ffn(arch, site, partial(self._edited, edit)), (self._before, self._behind if self._grow else None)
        with attention, arch.positioned(batch), self.routing(), edits, around_layers(arch, *layers):
            states = arch.last_states(lambda: arch.body(last, use_cache=True, **step))
        return self.outputs(states.reshape(self._size, self._rows, -1))

    def _edited(self, edit: RowEdit, layer: int, x: Tensor, routing: Routing | None) -> Tensor:
        own = routing and routing.reshape(self._size, self._rows)
        return edit(layer, x.reshape(self._size, self._rows, -1), own).reshape(x.shape)

    def as_unedited(self, routing: Routing) -> Routing:
        """The routing of row 0 for all rows, as a constant."""
        own = Routing(routing.experts, routing.weights.detach()).reshape(self._size, self._rows).at((slice(None), slice(1)))
        return Routing(*(part.expand(-1, self._rows, -1).flatten(0, 1) for part in own))

    def _before(self, number: int, states: Tensor, named: Arguments) -> tuple[Tensor, Arguments]:
        """Let a layer's copies enter, and each row attend as it must."""
        if number == 0:
            self._rows = 1
        if self._enter[number]:
            states = torch.cat([states, states[:, :1].detach().expand(-1, self._enter[number], -1)], 1)
            self._rows += self._enter[number]
        named["attention_mask"] = self._seen if self._backend else self._mask(states)
        if named.get("alibi") is not None:
            named["alibi"] = self._alibi(named["alibi"])
        return states, named

    def _behind(self, number: int, states: Tensor) -> Tensor:
        """Let rows enter behind a layer."""
        if self._grow:
            states = self._grow(number, states)
        self._rows = states.shape[1]
        return states

    def _mask(self, states: Tensor) -> Tensor:
        """Additive mask [B, 1, r, P + r]: each row sees the prefix and itself."""
        lowest = torch.finfo(states.dtype).min
        prefix = torch.where(self._seen, 0.0, lowest)[:, None, None].expand(-1, 1, self._rows, -1)
        own = torch.where(torch.eye(self._rows, dtype=torch.bool, device=states.device), 0.0, lowest)
        return torch.cat([prefix, own.expand(len(states), 1, -1, -1)], 3).to(states.dtype)

    def _alibi(self, alibi: Tensor) -> Tensor:
        """BLOOM's position bias [B * heads, 1, P + R]: every row stands at the read position."""
        return torch.cat([alibi[..., : self._prefix], alibi[..., -1:].expand(-1, -1, self._rows)], 2)


class WholeRows(Rows):
    """Copies of whole sequences from the embeddings on: the slowest way, which asks nothing of a model's layers."""

    def run(self, site: Site, edit: RowEdit) -> RowOutputs:
        """See `run_rows`: a copy that enters later is one that is not edited before."""
        self._all = 1 + sum(self._enter)
        with self.routing(), edited_ffn(self._arch, site, partial(self._edited, edit)):
            states = self._arch.final_states(self._batch.repeated(self._all))
        return self.outputs(self.at_read(states))

    def at_read(self, states: Tensor) -> Float[Tensor, "B R h"]:
        """States at the read position, by sequence and row."""
        rows = states.reshape(-1, self._size, *states.shape[1:])
        return rows[:, torch.arange(self._size, device=states.device), self._arch.read(self._batch)].transpose(0, 1)

    def _edited(self, edit: RowEdit, layer: int, x: Tensor, routing: Routing | None) -> Tensor:
        """Edit the rows that have entered, at their read position."""

        def read(values: Tensor) -> Tensor:
            return self._by_row(values)[at].transpose(0, 1)

        at = (slice(1 + sum(self._enter[: layer + 1])), torch.arange(self._size, device=x.device), self._arch.read(self._batch))
        edited = self._by_row(x).clone()
        edited[at] = edit(layer, read(x), routing and Routing(*map(read, routing))).transpose(0, 1)
        return edited.reshape(x.shape)

    def _by_row(self, values: Tensor) -> Tensor:
        """What belongs to tokens [rows, B, T, .]."""
        width = values.shape[1] if values.dim() > 2 else self._batch.ids.shape[1]  # some models fill up texts to whole windows
        return values.reshape(-1, self._size, width, values.shape[-1])


class CopiedRows(WholeRows):
    """Copies of whole sequences, which enter the batch behind the unedited ones: row r of instance b is r * B + b."""

    def run(self, site: Site, edit: RowEdit) -> RowOutputs:
        """See `run_rows`."""
        edits = edited_ffn(self._arch, site, partial(self._edited, edit))
        with self.routing(), edits, around_layers(self._arch, self._before):
            states = self._arch.final_states(self._batch)
        return self.outputs(self.at_read(states))

    def _before(self, number: int, states: Tensor, named: Arguments) -> tuple[Tensor, Arguments]:
        """Let a layer's copies enter, and what else the layer takes be repeated for them."""
        if number == 0:
            self._rows = 1
        if self._enter[number]:
            states = torch.cat([states, states[: self._size].detach().repeat(self._enter[number], 1, 1)])
            self._rows += self._enter[number]
        for name in OF_SEQUENCES:
            named[name] = self._repeated(named.get(name))
        return states, {name: value for name, value in named.items() if value is not None}

    def _repeated(self, value: Any) -> Any:
        """An argument made for B sequences, for all rows; one that is the same for every sequence stays."""
        if isinstance(value, tuple):
            return tuple(self._repeated(part) for part in value)
        if not isinstance(value, Tensor) or (len(value) == 1 and self._size > 1):
            return value
        return value.repeat(self._rows, *[1] * (value.dim() - 1))


TRIED: MutableMapping[Architecture, dict[type, bool]] = WeakKeyDictionary()
"""Which ways of running copies agree with whole sequences, by model."""


@contextmanager
def around_layers(
    arch: Architecture,
    before: Callable[[int, Tensor, Arguments], tuple[Tensor, Arguments]],
    behind: Callable[[int, Tensor], Tensor] | None = None,
) -> Iterator[None]:
    """Change what layers are called with, and the states that they give.

    Args:
        arch: the model.
        before: gives the states and the other arguments of a layer, by its number.
        behind: gives the states behind a layer.
    """
    entered, left = Turns(enumerate(arch.layers)), Turns(enumerate(arch.layers))

    def enter(module: nn.Module, args: tuple[Any, ...], kwargs: Arguments) -> tuple[tuple[Any, ...], Arguments]:
        states, named = before(entered.layer(module), *layer_arguments(module, args, kwargs))
        return (states,), named

    def leave(module: nn.Module, _args: Any, output: Any) -> Any:
        states = first_tensor(output)
        return output if behind is None or states is None else with_first(output, behind(left.layer(module), states))

    with ExitStack() as hooks:
        for module in entered.layers:
            hooks.enter_context(module.register_forward_pre_hook(enter, with_kwargs=True))
            if behind is not None:
                hooks.enter_context(module.register_forward_hook(leave))
        yield
