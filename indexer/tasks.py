"""Rendering: the one way that a record becomes token ids, shared by training, indexing, queries and studies."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

import numpy as np

from attridex.indexer.config import CorpusConfig
from attridex.indexer.errors import InputError, nearest

Tokenize = Callable[[str], list[int]]


@dataclass(frozen=True)
class Instance:
    """A rendered record.

    Attributes:
        id: the record's id.
        sequences: token ids, one sequence (for multiple-choice one a choice).
        label: output index, or None where the record has none.
        key: content hash of tokens and label.
        truncated: whether tokens were cut to fit the model.
        fields: the record's text fields and metadata.
    """

    id: str
    sequences: tuple[tuple[int, ...], ...]
    label: int | None
    key: str
    truncated: bool
    fields: Mapping[str, Any]

    @property
    def tokens(self) -> int:
        """Number of tokens over all sequences."""
        return sum(len(sequence) for sequence in self.sequences)


@dataclass(frozen=True)
class SpecialTokens:
    """Token ids put before and after an instance: BOS for causal models, CLS and SEP for encoders."""

    before: tuple[int, ...]
    after: tuple[int, ...]


@dataclass(frozen=True)
class Segment:
    """A format string, split once: literal texts and the field after each (None at the end)."""

    template: str
    parts: tuple[tuple[str, str | None], ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields that the segment shows."""
        return tuple(name for _, name in self.parts if name is not None)

    def text(self, values: Mapping[str, str]) -> str:
        """The segment with its fields filled in."""
        return "".join(literal + (values[name] if name is not None else "") for literal, name in self.parts)


def parse_segment(template: str) -> Segment:
    """Split a format string such as "Premise : {premise}".

    Raises:
        InputError: it is not a format string of plain field names.
    """
    parts: list[tuple[str, str | None]] = []
    try:
        for literal, name, spec, conversion in Formatter().parse(template):
            if name is not None and (spec or conversion or not name.isidentifier()):
                raise ValueError(f"'{{{name}}}' is not a plain field name")
            parts.append((literal, name))
    except ValueError as error:
        raise InputError(f"corpus.segments: {template!r}: {error}; write fields as {{name}}") from None
    return Segment(template, tuple(parts))


class Renderer:
    """Turns records into instances, the same way everywhere.

    Attributes:
        labels: names of the model's outputs, in their order.
        text_fields: fields that the segments show.
    """

    def __init__(
        self, corpus: CorpusConfig, labels: Sequence[str], tokenize: Tokenize, special: SpecialTokens, max_length: int
    ) -> None:
        """`tokenize` gives the ids of a text without special tokens.

        Raises:
            InputError: a segment is not a format string, or `truncate` names no segment, or several.
        """
        self.labels = list(labels)
        self._index = {name: number for number, name in enumerate(self.labels)}
        self._corpus = corpus
        self._tokenize = tokenize
        self._special = special
        self._max_length = max_length
        self._segments = [parse_segment(template) for template in corpus.segments]
        self.text_fields = tuple(dict.fromkeys(name for segment in self._segments for name in segment.fields))
        self._cut = self._cut_segment(corpus.truncate)

    def _cut_segment(self, truncate: str | None) -> int | None:
        if truncate is None:
            return None
        holders = [number for number, segment in enumerate(self._segments) if truncate in segment.fields]
        if len(holders) != 1:
            raise InputError(
                f"corpus.truncate: '{truncate}' stands in {len(holders)} segments; name a field of exactly one "
                f"({', '.join(self.text_fields)})"
            )
        return holders[0]

    def render(self, record: Mapping[str, Any], where: str) -> Instance:
        """Render one record; `where` names it in errors.

        Raises:
            InputError: a column is missing, a text empty, a label unknown, or the instance too long to cut.
        """
        fields = {name: self._text(record, name, where) for name in self.text_fields}
        label = self.label(record, where)
        ids, truncated = self._fit([self._tokenize(segment.text(fields)) for segment in self._segments], where)
        metadata = {name: record.get(name) for name in self._corpus.metadata}
        return Instance(
            id=str(record.get(self._corpus.id, "")),
            sequences=(ids,),
            label=label,
            key=content_hash([ids], label),
            truncated=truncated,
            fields={**metadata, **fields},
        )

    def _text(self, record: Mapping[str, Any], name: str, where: str) -> str:
        if name not in record:
            raise InputError(f"{where}: missing column '{name}' (corpus.segments shows it); {nearest(name, record)}")
        value = record[name]
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise InputError(f"{where}: column '{name}' holds {value!r}; a text is needed")
        text = str(value)
        if not text.strip():
            raise InputError(f"{where}: column '{name}' is empty; give a text or leave the instance out")
        return text

    def label(self, record: Mapping[str, Any], where: str) -> int | None:
        """Output index of a record's label; None where it has none.

        Raises:
            InputError: the label is not one of the model's outputs.
        """
        value = record.get(self._corpus.label)
        if value is None:
            return None
        if isinstance(value, str):
            number = self._index.get(value)
            if number is None and value.strip().isdecimal():
                number = int(value)
            if number is not None and number < len(self.labels):
                return number
        elif not isinstance(value, bool) and isinstance(value, int | float) and value in range(len(self.labels)):
            return int(value)
        raise InputError(
            f"{where}: label {value!r} is none of the model's outputs: {', '.join(self.labels)} "
            f"(or their number, 0 to {len(self.labels) - 1}); set corpus.labels if the outputs have other names"
        )

    def _fit(self, parts: list[list[int]], where: str) -> tuple[tuple[int, ...], bool]:
        """Join segments; cut the end of the one named by `truncate` where the whole is too long."""
        before, after = self._special.before, self._special.after
        excess = len(before) + len(after) + sum(map(len, parts)) - self._max_length
        if excess > 0:
            if self._cut is None or len(parts[self._cut]) < excess:
                raise InputError(
                    f"{where}: {excess} tokens over the limit of {self._max_length}"
                    + (
                        "; set corpus.truncate to the field to shorten"
                        if self._cut is None
                        else " even with the cut segment empty"
                    )
                )
            parts[self._cut] = parts[self._cut][: len(parts[self._cut]) - excess]
        return (*before, *(token for part in parts for token in part), *after), excess > 0


def content_hash(sequences: Sequence[Sequence[int]], label: int | None) -> str:
    """Identity of an instance: SHA-256 (first 128 bits, hex) of its tokens and label."""
    digest = hashlib.sha256(f"{'' if label is None else label}|{len(sequences)}".encode())
    for sequence in sequences:
        digest.update(np.asarray([len(sequence), *sequence], dtype="<i8").tobytes())
    return digest.hexdigest()[:32]
