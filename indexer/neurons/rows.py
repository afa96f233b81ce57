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
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from functools import partial
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers.cache_utils import DynamicCache

from attridex.indexer.models.architectures import Architecture, Site
from attridex.indexer.models.batches import TokenBatch
from attridex.indexer.models.hooks import edited_ffn
from attridex.indexer.neurons.row_attention import attending, fits

RowEdit = Callable[[int, Float[Tensor, "B r F"]], Float[Tensor, "B r F"]]
"""edit(layer, activations of the rows so far) -> the edited ones; the last rows are those that entered at this layer."""
RowGrowth = Callable[[int, Float[Tensor, "B r h"]], Float[Tensor, "B R h"]]
"""grow(layer, states behind it of the rows so far) -> the states with the rows that enter there."""

Arguments = dict[str, Any]
"""What a module of transformers is called with, by name."""


class RowOutputs(NamedTuple):
    """What the head gives for each row, and what it reads."""

    logits: Float[Tensor, "B R C"]
    hidden: Float[Tensor, "B R h"]


def run_rows(arch: Architecture, batch: TokenBatch, site: Site, enter: Sequence[int], edit: RowEdit) -> RowOutputs:
    """Run each instance with copies of its read position.

    Args:
        arch: the classifier.
        batch: B sequences.
        site: where `edit` acts.
        enter: for each layer, how many copies of row 0 enter before it.
        edit: replaces FFN activations at the read position.

    Returns:
        Outputs of R = 1 + sum(enter) rows; gradients flow if enabled by the caller.
    """
    if packs(arch, batch):
        return PackedRows(arch, batch, enter).run(site, edit)
    return CopiedRows(arch, batch, enter).run(site, edit)


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
    return PackedRows(arch, batch, [0] * len(arch.layers), grow).run(site, see).logits


def packs(arch: Architecture, batch: TokenBatch) -> bool:
    """Whether the copies can ride as query rows of one decode step."""
    window = getattr(arch.model.config, "sliding_window", None) if uses_window(arch) else None
    return arch.causal and (window is None or batch.ids.shape[1] <= window)


def uses_window(arch: Architecture) -> bool:
    """Whether any layer of the model attends through a sliding window."""
    config = arch.model.config
    kinds = getattr(config, "layer_types", None)
    if kinds is not None:
        return any(kind != "full_attention" for kind in kinds)
    return bool(getattr(config, "use_sliding_window", False))


def layer_arguments(layer: nn.Module, args: tuple[Any, ...], kwargs: Arguments) -> tuple[Tensor, Arguments]:
    """The arguments of a layer's call by name, the hidden states apart."""
    parameters = list(inspect.signature(layer.forward).parameters)
    return args[0], {**dict(zip(parameters[1:], args[1:], strict=False)), **kwargs}


class PackedRows:
    """Copies as query rows of one decode step over a shared prefix."""

    def __init__(self, arch: Architecture, batch: TokenBatch, enter: Sequence[int], grow: RowGrowth | None = None) -> None:
        """Nothing runs yet.

        Args:
            arch: the model.
            batch: B sequences.
            enter: for each layer, how many copies of row 0 enter before it.
            grow: adds rows behind each layer.
        """
        self._arch, self._batch, self._enter, self._grow = arch, batch, enter, grow
        self._rows = 1
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
            with torch.no_grad():
                arch.body(batch.ids[:, :-1], attention_mask=mask, past_key_values=cache, use_cache=True)
        last = batch.ids.gather(1, (batch.lengths - 1)[:, None])
        step: Arguments = {"attention_mask": torch.cat([mask, torch.ones_like(last)], 1), "past_key_values": cache}
        if "position_ids" in inspect.signature(arch.body.forward).parameters:
            step["position_ids"] = (batch.lengths - 1)[:, None]
        attention = attending(arch) if self._backend else nullcontext()
        with ExitStack() as hooks, attention, edited_ffn(arch, site, lambda layer, x: self._edited(edit, layer, x)):
            for number, layer in enumerate(arch.layers):
                hooks.enter_context(layer.register_forward_pre_hook(partial(self._before, number), with_kwargs=True))
                if self._grow:
                    hooks.enter_context(layer.register_forward_hook(partial(self._behind, number, self._grow)))
            states = arch.body(last, use_cache=True, **step).last_hidden_state
        # Some bodies (GPT-2) give their output the shape of the ids they were called with: one position.
        hidden = arch.head_input(states.reshape(len(batch.ids), self._rows, -1))
        return RowOutputs(arch.head(hidden), hidden)

    def _edited(self, edit: RowEdit, layer: int, x: Tensor) -> Tensor:
        return edit(layer, x.reshape(len(self._batch.ids), self._rows, -1)).reshape(x.shape)

    def _before(
        self, number: int, layer: nn.Module, args: tuple[Any, ...], kwargs: Arguments
    ) -> tuple[tuple[Any, ...], Arguments]:
        """Let a layer's copies enter, and each row attend as it must."""
        states, named = layer_arguments(layer, args, kwargs)
        if number == 0:
            self._rows = 1
        if self._enter[number]:
            states = torch.cat([states, states[:, :1].detach().expand(-1, self._enter[number], -1)], 1)
            self._rows += self._enter[number]
        named["attention_mask"] = self._seen if self._backend else self._mask(states)
        if named.get("alibi") is not None:
            named["alibi"] = self._alibi(named["alibi"])
        return (states,), named

    def _behind(self, number: int, grow: RowGrowth, _layer: nn.Module, _args: Any, output: Any) -> Any:
        """Let rows enter behind a layer."""
        states = grow(number, output if isinstance(output, Tensor) else output[0])
        self._rows = states.shape[1]
        return states if isinstance(output, Tensor) else (states, *output[1:])

    def _mask(self, states: Tensor) -> Tensor:
        """Additive mask [B, 1, r, P + r]: each row sees the prefix and itself."""
        lowest = torch.finfo(states.dtype).min
        prefix = torch.where(self._seen, 0.0, lowest)[:, None, None].expand(-1, 1, self._rows, -1)
        own = torch.where(torch.eye(self._rows, dtype=torch.bool, device=states.device), 0.0, lowest)
        return torch.cat([prefix, own.expand(len(states), 1, -1, -1)], 3).to(states.dtype)

    def _alibi(self, alibi: Tensor) -> Tensor:
        """BLOOM's position bias [B * heads, 1, P + R]: every row stands at the read position."""
        return torch.cat([alibi[..., : self._prefix], alibi[..., -1:].expand(-1, -1, self._rows)], 2)


class CopiedRows:
    """Copies of whole sequences, which enter the batch behind the unedited ones: row r of instance b is r * B + b."""

    def __init__(self, arch: Architecture, batch: TokenBatch, enter: Sequence[int]) -> None:
        """Nothing runs yet."""
        self._arch, self._batch, self._enter = arch, batch, enter
        self._size = len(batch.ids)
        self._read = batch.read(arch.causal)
        self._rows = 1

    def run(self, site: Site, edit: RowEdit) -> RowOutputs:
        """See `run_rows`."""
        arch, batch = self._arch, self._batch
        with ExitStack() as hooks, edited_ffn(arch, site, lambda layer, x: self._edited(edit, layer, x)):
            for number, layer in enumerate(arch.layers):
                hooks.enter_context(layer.register_forward_pre_hook(partial(self._before, number), with_kwargs=True))
            states = arch.final_states(batch)
        rows = states.reshape(self._rows, self._size, *states.shape[1:])
        hidden = arch.head_input(rows[:, torch.arange(self._size), self._read].transpose(0, 1))
        return RowOutputs(arch.head(hidden), hidden)

    def _edited(self, edit: RowEdit, layer: int, x: Tensor) -> Tensor:
        rows = x.reshape(self._rows, self._size, -1, x.shape[-1])
        at = (slice(None), torch.arange(self._size), self._read)
        edited = rows.clone()
        edited[at] = edit(layer, rows[at].transpose(0, 1)).transpose(0, 1)
        return edited.reshape(x.shape)

    def _before(
        self, number: int, layer: nn.Module, args: tuple[Any, ...], kwargs: Arguments
    ) -> tuple[tuple[Any, ...], Arguments]:
        """Let a layer's copies enter, and what else the layer takes be repeated for them."""
        states, named = layer_arguments(layer, args, kwargs)
        if number == 0:
            self._rows = 1
        if self._enter[number]:
            states = torch.cat([states, states[: self._size].detach().repeat(self._enter[number], 1, 1)])
            self._rows += self._enter[number]
        for name in ("attention_mask", "position_embeddings", "position_ids", "alibi"):
            named[name] = self._repeated(named.get(name))
        return (states,), {name: value for name, value in named.items() if value is not None}

    def _repeated(self, value: Any) -> Any:
        """An argument made for B sequences, for all rows; one that is the same for every sequence stays."""
        if isinstance(value, tuple):
            return tuple(self._repeated(part) for part in value)
        if not isinstance(value, Tensor) or (len(value) == 1 and self._size > 1):
            return value
        return value.repeat(self._rows, *[1] * (value.dim() - 1))
