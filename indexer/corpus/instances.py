"""Rendered instances: a record as token ids, what is decided of it, and its identity."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class RenderedInstance:
    """A rendered record.

    Attributes:
        id: the record's id.
        sequences: token ids, one sequence (for multiple-choice one a choice).
        label: output index, or None where the record has none (causal-lm never has one).
        key: content hash of tokens and label.
        truncated: whether tokens were cut to fit the model.
        fields: the record's text fields and metadata.
        target: for causal-lm, how many tokens at the end of the sequence are the target.
        outputs: names of what the model decides between: labels, choice numbers, or the target's text alone.
    """

    id: str
    sequences: tuple[tuple[int, ...], ...]
    label: int | None
    key: str
    truncated: bool
    fields: Mapping[str, Any]
    target: int = 0
    outputs: tuple[str, ...] = ()

    @property
    def tokens(self) -> int:
        """Number of tokens over all sequences."""
        return sum(len(sequence) for sequence in self.sequences)

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence."""
        return max(map(len, self.sequences))

    @property
    def label_name(self) -> str | None:
        """The label as tables show it: its name, a choice's number, or the target's text."""
        if self.target:
            return self.outputs[0]
        return None if self.label is None else self.outputs[self.label]


def content_hash(sequences: Sequence[Sequence[int]], label: int | None) -> str:
    """Identity of an instance: SHA-256 (first 128 bits, hex) of its tokens and label."""
    digest = hashlib.sha256(f"{'' if label is None else label}|{len(sequences)}".encode())
    for sequence in sequences:
        digest.update(np.asarray([len(sequence), *sequence], dtype="<i8").tobytes())
    return digest.hexdigest()[:32]
