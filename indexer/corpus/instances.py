"""Rendered instances: a record as the model reads it, what is decided of it, and its identity."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from attridex.indexer.forms.encoding import Encoding, Surroundings, Tokens

NO_LABEL = -1
"""Stands for "the predicted one" in a tensor of labels."""


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
        outputs: names of what the model decides between: labels, choice numbers, or the target's text alone.
        reads: where tokens have a loss, the positions whose states decide them, in ascending order.
        wanted: what is wanted at each of them: of a language model the next token.
        types: token types of each sequence; empty where the tokenizer gives none.
        goals: what is wanted of every output, where not one of them is right: numbers, or 1 for labels that hold.
        source: of an encoder-decoder model, what its encoder reads; `sequences` are its decoder's.
        answer: the label as tables show it, where it is not one of the outputs.
        surroundings: of each sequence, or of the source, what its row held beside it; empty where that is nothing.
    """

    id: str
    sequences: tuple[Tokens, ...]
    label: int | None
    key: str
    truncated: bool
    fields: Mapping[str, Any]
    outputs: tuple[str, ...] = ()
    reads: Tokens = ()
    wanted: Tokens = ()
    types: tuple[Tokens, ...] = ()
    goals: tuple[float, ...] = ()
    answer: str | None = None
    source: Tokens = ()
    surroundings: tuple[Surroundings, ...] = ()

    @property
    def tokens(self) -> int:
        """Number of tokens over all sequences, and of the source."""
        return sum(len(sequence) for sequence in self.sequences) + len(self.source)

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence."""
        return max(map(len, (*self.sequences, self.source)))

    @property
    def label_name(self) -> str | None:
        """The label as tables show it: its name, a choice's number, the target's text, numbers, or a list of names."""
        if self.answer is not None:
            return self.answer
        if self.reads:
            return self.outputs[0]
        return None if self.label is None else self.outputs[self.label]


def stored_encoding(instance: RenderedInstance) -> dict[str, Any]:
    """What an index stores of an instance so that it needs no rendering again; see `index.tables`."""
    names = ("id", "sequences", "types", "label", "reads", "wanted", "outputs", "goals", "answer")
    source = {"source": instance.source} if instance.source else {}
    own = {name: getattr(instance, name) for name in names}
    return {**own, **source, "content_hash": instance.key, "truncated": instance.truncated}


def from_encoding(stored: Mapping[str, Any]) -> RenderedInstance:
    """The instance that an encoding was stored of, without its fields."""
    return RenderedInstance(
        id=stored["id"],
        sequences=tuple(map(tuple, stored["sequences"])),
        label=stored["label"],
        key=stored["content_hash"],
        truncated=stored["truncated"],
        fields={},
        outputs=tuple(stored["outputs"]),
        reads=tuple(stored["reads"]),
        wanted=tuple(stored["wanted"]),
        types=tuple(map(tuple, stored["types"])),
        goals=tuple(stored["goals"]),
        answer=stored["answer"],
        source=tuple(stored.get("source") or ()),
    )


def content_hash(encoding: Encoding, label: int | None, goals: Sequence[float] = ()) -> str:
    """Identity of an instance: SHA-256 (first 128 bits, hex) of its tokens, of its label, and of what has a loss.

    Token types, and tokens with a loss that are not simply the last ones, count where there are any.
    """
    decided = len(encoding.wanted) if encoding.reads else label
    digest = hashlib.sha256(f"{'' if decided is None else decided}|{len(encoding.sequences)}".encode())
    parts = list(encoding.sequences)
    if any(any(types) for types in encoding.types):
        parts += encoding.types
    if encoding.reads and not ends_with(encoding.sequences[0], encoding.reads, encoding.wanted):
        parts += [encoding.reads, encoding.wanted]
    if encoding.source:
        parts.append(encoding.source)
    for part in parts:
        digest.update(np.asarray([len(part), *part], dtype="<i8").tobytes())
    if goals:
        digest.update(np.asarray(goals, dtype="<f8").tobytes())
    return digest.hexdigest()[:32]


def ends_with(ids: Sequence[int], reads: Sequence[int], wanted: Sequence[int]) -> bool:
    """Whether what has a loss is the end of a sequence, each token read at the one before it."""
    count = len(wanted)
    return tuple(ids[-count:]) == tuple(wanted) and tuple(reads) == tuple(range(len(ids) - count - 1, len(ids) - 1))
