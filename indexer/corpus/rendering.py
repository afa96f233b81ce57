"""Rendering: the one way that a record becomes token ids, shared by training, indexing, queries and studies."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from attridex.indexer.config import CorpusConfig, Task
from attridex.indexer.corpus.instances import RenderedInstance, content_hash
from attridex.indexer.corpus.segments import parse_segment
from attridex.indexer.errors import InputError, nearest

Tokenize = Callable[[str], list[int]]
PART = "#"
"""Stands in an id between the instance's own and the number of its target token (corpus.per_token)."""
CHOICE = "choice"
"""Field of a multiple-choice segment that stands for each choice in turn."""


@dataclass(frozen=True)
class SpecialTokens:
    """Token ids put before and after an instance: BOS for causal models, CLS and SEP for encoders."""

    before: tuple[int, ...]
    after: tuple[int, ...]


class Renderer:
    """Turns records into instances, the same way everywhere.

    Attributes:
        labels: names of the model's outputs, in their order; empty where a record brings its own outputs.
        text_fields: columns that the segments (and the target) show.
    """

    def __init__(
        self,
        corpus: CorpusConfig,
        labels: Sequence[str],
        tokenize: Tokenize,
        special: SpecialTokens,
        max_length: int,
        task: Task = "sequence-classification",
        show: Callable[[Sequence[int]], str] = str,
    ) -> None:
        """Split the segments.

        Args:
            corpus: segments and columns.
            labels: names of the model's outputs.
            tokenize: gives the ids of a text without special tokens.
            special: tokens around an instance.
            max_length: tokens of a sequence at most.
            task: what the model decides.
            show: gives the text of ids.

        Raises:
            InputError: a segment is not a format string, or `truncate` names no segment, or several.
        """
        self.labels = list(labels)
        self._index = {name: number for number, name in enumerate(corpus.labels or labels)}
        self._corpus, self._task = corpus, task
        self._tokenize, self._show = tokenize, show
        self._special, self._max_length = special, max_length
        self._segments = [parse_segment(template) for template in corpus.segments]
        self._target = parse_segment(corpus.target) if corpus.target is not None else None
        shown = [name for segment in (*self._segments, *filter(None, [self._target])) for name in segment.fields]
        if task == "multiple-choice":
            shown = [corpus.choices if name == CHOICE else name for name in shown]
        self.text_fields = tuple(dict.fromkeys(shown))
        self._cut = self._cut_segment(corpus.truncate)

    def _cut_segment(self, truncate: str | None) -> int | None:
        if truncate is None:
            return None
        holders = [number for number, segment in enumerate(self._segments) if truncate in segment.fields]
        if len(holders) != 1:
            fields = ", ".join(dict.fromkeys(name for segment in self._segments for name in segment.fields))
            found = f"'{truncate}' stands in {len(holders)} segments"
            raise InputError(f"corpus.truncate: {found}; name a field of exactly one ({fields})")
        return holders[0]

    def render(self, record: Mapping[str, Any], where: str, *, label_used: bool = True) -> RenderedInstance:
        """Render one record; `where` names it in errors. A label that is not used may be one that the model does not have.

        Raises:
            InputError: a column is missing, a text empty, a label unknown, or the instance too long to cut.
        """
        choices = self._choices(record, where) if self._task == "multiple-choice" else ()
        columns = [name for name in self.text_fields if not choices or name != self._corpus.choices]
        texts = {name: self._text(record, name, where) for name in columns}
        target = self._target_tokens(texts, where) if self._target else []
        outputs = self._outputs(texts, choices)
        label = None if self._target else self.label(record, where, outputs, used=label_used)
        fitted = [self._fit(parts, target, where) for parts in self._parts(texts, choices)]
        sequences = tuple(ids for ids, _ in fitted)
        fields = {name: list(choices) if name not in texts else texts[name] for name in self.text_fields}
        return RenderedInstance(
            id=str(record.get(self._corpus.id, "")),
            sequences=sequences,
            label=label,
            key=content_hash(sequences, len(target) if self._target else label),
            truncated=any(cut for _, cut in fitted),
            fields={**{name: record.get(name) for name in self._corpus.metadata}, **fields},
            target=len(target),
            outputs=outputs,
        )

    def per_token(self, instance: RenderedInstance) -> list[RenderedInstance]:
        """One instance for each target token: what stands before it is its prompt. Ids get "#" and the token's number."""
        ids, parts = instance.sequences[0], []
        for number in range(instance.target):
            end = len(ids) - instance.target + number + 1
            name, own, said = f"{instance.id}{PART}{number}", ids[:end], self._show(ids[end - 1 : end]).strip()
            part = replace(instance, id=name, sequences=(own,), key=content_hash([own], 1), target=1, outputs=(said,))
            parts.append(part)
        return parts

    def _outputs(self, texts: Mapping[str, str], choices: Sequence[str]) -> tuple[str, ...]:
        if self._target:
            return (self._target.text(texts).strip(),)
        return tuple(map(str, range(len(choices)))) if choices else tuple(self.labels)

    def _parts(self, texts: Mapping[str, str], choices: Sequence[str]) -> list[list[list[int]]]:
        """Token ids of the segments, each tokenised alone: one list a sequence."""
        filled = [{**texts, CHOICE: choice} for choice in choices] or [dict(texts)]
        return [[self._tokenize(segment.text(values)) for segment in self._segments] for values in filled]

    def _target_tokens(self, texts: Mapping[str, str], where: str) -> list[int]:
        target = self._tokenize(self._target.text(texts)) if self._target else []
        if not target:
            raise InputError(f"{where}: the target has no tokens; corpus.target must show a text")
        return target

    def _choices(self, record: Mapping[str, Any], where: str) -> tuple[str, ...]:
        """The choices of a record: a list of texts, or the JSON of one (CSV, the index's own table)."""
        name = self._corpus.choices
        if name not in record:
            raise InputError(f"{where}: missing column '{name}' (corpus.choices); {nearest(name, record)}")
        value = record[name]
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                value = None
        if isinstance(value, Mapping):  # as Hugging Face datasets of this kind have it
            value = value.get("text")
        if not isinstance(value, list | tuple) or len(value) < 2 or not all(isinstance(c, str) and c.strip() for c in value):
            raise InputError(f"{where}: column '{name}' holds {record[name]!r}; a list of two or more texts is needed")
        return tuple(value)

    def _text(self, record: Mapping[str, Any], name: str, where: str) -> str:
        if name not in record:
            raise InputError(f"{where}: missing column '{name}' ({self._shown_by(name)} shows it); {nearest(name, record)}")
        value = record[name]
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise InputError(f"{where}: column '{name}' holds {value!r}; a text is needed")
        text = str(value)
        if not text.strip():
            raise InputError(f"{where}: column '{name}' is empty; give a text or leave the instance out")
        return text

    def _shown_by(self, name: str) -> str:
        return "corpus.target" if self._target and name in self._target.fields else "corpus.segments"

    def label(self, record: Mapping[str, Any], where: str, outputs: Sequence[str] = (), *, used: bool = True) -> int | None:
        """Output index of a record's label; None where it has none.

        Args:
            record: its values by column.
            where: names it in errors.
            outputs: names of what is decided; the model's unless given.
            used: False lets an unknown label pass as None.

        Raises:
            InputError: the label is not one of the record's `outputs` (by default the model's).
        """
        outputs = outputs or self.labels
        value = record.get(self._corpus.label)
        if value is None:
            return None
        if isinstance(value, str):
            number = self._index.get(value)
            if number is None and value.strip().isdecimal():
                number = int(value)
            if number is not None and number < len(outputs):
                return number
        elif not isinstance(value, bool) and isinstance(value, int | float) and value in range(len(outputs)):
            return int(value)
        if not used:
            return None
        raise InputError(
            f"{where}: label {value!r} is none of the model's outputs: {', '.join(self._corpus.labels or outputs)} "
            f"(or their number, 0 to {len(outputs) - 1}); set corpus.labels if the outputs have other names"
        )

    def _fit(self, parts: list[list[int]], target: list[int], where: str) -> tuple[tuple[int, ...], bool]:
        """Join segments and target; cut the end of the segment named by `truncate` where the whole is too long."""
        before, after = self._special.before, (*self._special.after, *target)
        excess = len(before) + len(after) + sum(map(len, parts)) - self._max_length
        if excess > 0:
            if self._cut is None or len(parts[self._cut]) < excess:
                end = "; set corpus.truncate to the field to shorten" if self._cut is None else " even with the cut segment empty"
                raise InputError(f"{where}: {excess} tokens over the limit of {self._max_length}{end}")
            parts[self._cut] = parts[self._cut][: len(parts[self._cut]) - excess]
        return (*before, *(token for part in parts for token in part), *after), excess > 0
