"""Rows that held more than their text: whether a model says the same of the row as of the text alone.

Attributions are of the text alone. A model that learned positions from a row's first place, or reads its first token, was trained
on something else where padding stands before the text; so was one that does not part the texts of a packed row.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import cycle, islice

import torch
from torch import Tensor, nn

from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.errors import InputError
from attridex.indexer.forms.encoding import Surroundings
from attridex.indexer.models.architectures import Architecture, half
from attridex.indexer.structure.calls import encodes, run_encoder, run_model, takes, tiny_ids

PADDING = 11
"""Tokens of padding that are tried."""
EXACT, ROUNDED = 1e-4, 5e-2
"""How far logits may lie apart, as a share of the largest: in float32, and in half precision."""


class Samples:
    """One instance of each kind of surroundings, as many as a corpus has, for `RowChecks.check_all`."""

    def __init__(self) -> None:
        """Nothing seen."""
        self._held: dict[tuple[Surroundings, ...], RenderedInstance] = {}

    def see(self, instance: RenderedInstance) -> None:
        """Hold an instance whose surroundings are new."""
        if instance.surroundings:
            self._held.setdefault(tuple(map(kind_of, instance.surroundings)), instance)

    def __iter__(self) -> Iterator[RenderedInstance]:
        """Those that are held."""
        return iter(self._held.values())


class RowChecks:
    """What a model makes of what stands beside a text in its row, tried once for each kind of surroundings."""

    def __init__(self, arch: Architecture) -> None:
        """Keep the model."""
        self._arch = arch
        self._known: dict[Surroundings, str] = {}

    def check_all(self, instances: Iterable[RenderedInstance]) -> None:
        """See `check`."""
        for instance in instances:
            self.check(instance)

    def check(self, instance: RenderedInstance) -> None:
        """Refuse an instance of whose row the model says something else than of its text.

        Raises:
            InputError: it does, or it cannot be known.
        """
        read = (instance.source,) if instance.source else instance.sequences
        for ids, around in zip(read, instance.surroundings, strict=False):
            if reason := self._by_length(len(ids), around) or self._tried(kind_of(around)):
                raise InputError(
                    f"instance '{instance.id}': {reason}; give the text alone as a row, without padding, as the model of this "
                    "index must have seen it in its training"
                )

    def _by_length(self, length: int, around: Surroundings) -> str:
        """What a short try cannot show: positions that are read otherwise in long rows."""
        config = self._arch.model.config.get_text_config()
        whole = len(around.before) + length + len(around.behind)
        if around.before and whole > (getattr(config, "attention_chunk_size", None) or whole):
            return "padding stands before its text, and the model's attention is in chunks of the row"
        if whole > length and whole > self._arch.own_extent:
            return "with its padding it is so long that the model's rotary positions have other factors"
        return ""

    @torch.no_grad()
    def _tried(self, around: Surroundings) -> str:
        """Why a model does not overlook surroundings; nothing if it does."""
        if around not in self._known:
            self._known[around] = self._reason(around)
        return self._known[around]

    def _reason(self, around: Surroundings) -> str:
        model, name = self._arch.model, type(self._arch.model).__name__
        if around.before and not around.positions and half(model) and position_tables(model):
            return f"padding stands before its text, and {name} counts positions by a table"
        if around.packed and not self._parts_texts():
            return f"its row packs several texts, which {name} does not part by position_ids"
        if (around.before or around.behind or around.positions) and not self._overlooks(around):
            held = "padding before" if around.before else "padding behind" if around.behind else "position_ids beside"
            return f"its row holds {held} its text, and what {name} says of it is not what it says of the text alone"
        return ""

    def _overlooks(self, around: Surroundings) -> bool:
        """Whether the model's own call on a row says what it says of the text alone."""
        ids = tiny_ids(self._arch.model)[:1]
        before, behind = (list(islice(cycle(pads), PADDING)) for pads in (around.before, around.behind))
        row = torch.tensor([[*before, *ids[0].tolist(), *behind]])
        mask = torch.tensor([[0] * len(before) + [1] * ids.shape[1] + [0] * len(behind)])
        positions = torch.tensor([[1] * len(before) + [*range(ids.shape[1])] + [1] * len(behind)]) if around.positions else None
        said, alone = self._said(row, mask, positions), self._said(ids, torch.ones_like(ids), None)
        return self._same(said if said.shape == alone.shape else said[:, len(before) :][:, : ids.shape[1]], alone)

    def _parts_texts(self) -> bool:
        """Whether the model parts the texts of a packed row by their positions."""
        first, second = tiny_ids(self._arch.model)[:2]
        if not takes(self._arch.model, "position_ids"):
            return False
        positions = torch.arange(len(first)).repeat(2)[None]
        together = self._said(torch.cat([first, second])[None], None, positions)
        if together.dim() < 3:
            return False
        parts = [self._said(part[None], torch.ones_like(part)[None], None) for part in (first, second)]
        return self._same(together, torch.cat(parts, 1))

    def _said(self, ids: Tensor, mask: Tensor | None, positions: Tensor | None) -> Tensor:
        """Logits of the model's own call; positions are left out, as by a Trainer, where the model takes none.

        Of an encoder-decoder model the row is what its encoder reads.
        """
        device = next(self._arch.model.parameters()).device
        named = (
            {"position_ids": positions.to(device)} if positions is not None and takes(self._arch.model, "position_ids") else {}
        )
        if encodes(self._arch.model) and mask is not None:
            return run_encoder(self._arch.model, ids.to(device), mask.to(device), **named).float()
        return run_model(self._arch.model, ids.to(device), None if mask is None else mask.to(device), **named).float()

    def _same(self, said: Tensor, alone: Tensor) -> bool:
        tolerance = (ROUNDED if half(self._arch.model) else EXACT) * float(alone.abs().max())
        return torch.allclose(said, alone, rtol=0, atol=tolerance)


def kind_of(around: Surroundings) -> Surroundings:
    """Surroundings with each token of their padding once."""
    return replace(around, before=tuple(sorted(set(around.before))), behind=tuple(sorted(set(around.behind))))


def position_tables(model: nn.Module) -> bool:
    """Whether a model has a table of positions."""
    return any(isinstance(module, nn.Embedding) and ("pos" in name or "wpe" in name) for name, module in model.named_modules())
