"""Length-sorted batches under a token budget, padded on the right.

Letters: S sequences, T tokens of the longest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int
from torch import Tensor

PADDING = 0.1
"""Largest share of a batch's tokens that may be padding."""


@dataclass(frozen=True)
class TokenBatch:
    """Sequences of like length.

    Attributes:
        ids: token ids, padded on the right.
        mask: 1 for a real token, 0 for padding.
        lengths: real tokens of each sequence.
        types: token types; None where the model is given none.
        own_reads: positions that are read, where they are not those of the head.
        extents: tokens of the whole text that each sequence begins; None where the sequences are the whole texts.
        source: what the encoder of an encoder-decoder model reads, whose decoder reads the sequences.
    """

    ids: Int[Tensor, "S T"]
    mask: Int[Tensor, "S T"]
    lengths: Int[Tensor, " S"]
    types: Int[Tensor, "S T"] | None = None
    own_reads: Int[Tensor, " S"] | None = None
    extents: Int[Tensor, " S"] | None = None
    source: "TokenBatch | None" = None

    @property
    def named(self) -> dict[str, Tensor]:
        """What a model is called with beside the ids."""
        return {"attention_mask": self.mask} | ({} if self.types is None else {"token_type_ids": self.types})

    def rows(self, chosen: slice) -> "TokenBatch":
        """Some of the sequences, without padding that they do not need."""
        width = int(self.lengths[chosen].max())
        cut = (slice(chosen.start, chosen.stop), slice(width))
        types = None if self.types is None else self.types[cut]
        own = None if self.own_reads is None else self.own_reads[chosen]
        return TokenBatch(
            self.ids[cut],
            self.mask[cut],
            self.lengths[chosen],
            types,
            own,
            self.whole[chosen],
            self.source and self.source.rows(chosen),
        )

    def repeated(self, times: int) -> "TokenBatch":
        """All sequences, so many times one behind the other."""
        types = None if self.types is None else self.types.repeat(times, 1)
        own = None if self.own_reads is None else self.own_reads.repeat(times)
        return TokenBatch(
            self.ids.repeat(times, 1),
            self.mask.repeat(times, 1),
            self.lengths.repeat(times),
            types,
            own,
            self.whole.repeat(times),
            self.source and self.source.repeated(times),
        )

    def sides_apart(self) -> "TokenBatch":
        """The same, a source that is as wide padded by one more column: a layer's rows tell then which of the two they are of."""
        source = self.source
        if source is None or source.ids.shape[1] != self.ids.shape[1]:
            return self
        ids = torch.cat([source.ids, source.ids[:, -1:]], 1)
        mask = torch.cat([source.mask, torch.zeros_like(source.mask[:, :1])], 1)
        return replace(self, source=replace(source, ids=ids, mask=mask))

    @property
    def whole(self) -> Int[Tensor, " S"]:
        """Tokens of each sequence's whole text."""
        return self.lengths if self.extents is None else self.extents


def plan_batches(lengths: Sequence[int], budget: int, overhead: int = 0) -> Iterator[list[int]]:
    """Group positions by length, longest first, so that no group holds more than `budget` tokens.

    `overhead` is added to each length (rows that ride along with a sequence). A sequence above the budget goes alone.
    Padding stays at or below a tenth of a group's tokens.
    """
    group: list[int] = []
    tokens = 0
    for position in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        longest = lengths[group[0]] if group else lengths[position]
        padded = longest * (len(group) + 1)
        full = (longest + overhead) * (len(group) + 1) > budget
        ragged = padded - tokens - lengths[position] > PADDING * padded
        if group and (full or ragged):
            yield group
            group, tokens = [], 0
        group.append(position)
        tokens += lengths[position]
    if group:
        yield group


def pad(
    sequences: Sequence[Sequence[int]], token: int, device: torch.device, types: Sequence[Sequence[int]] | None = None
) -> TokenBatch:
    """Put sequences into one batch.

    Args:
        sequences: token ids.
        token: fills them up.
        device: where the batch goes.
        types: token types of each sequence, where the model is given any.
    """
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    width = int(lengths.max())
    ids = placed(filled(sequences, width, token), device)
    mask = (torch.arange(width)[None] < lengths[:, None]).long()
    own = placed(filled(types, width, 0), device) if types else None
    return TokenBatch(ids, placed(mask, device), placed(lengths, device), own)


def placed(values: Tensor, device: torch.device) -> Tensor:
    """A tensor of host memory on a device; a GPU takes it when it comes to it, and is not waited for."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)


def filled(rows: Sequence[Sequence[int]], width: int, value: int) -> Int[Tensor, "S T"]:
    """Rows as one tensor, filled up on the right."""
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])
