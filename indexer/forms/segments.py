"""The paper's form: segments tokenised each alone, behind BOS or CLS, and a target behind them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attridex.indexer.config import CorpusConfig
from attridex.indexer.errors import InputError
from attridex.indexer.forms.columns import Columns, Values
from attridex.indexer.forms.encoding import Encoding, Tokens, losses_of
from attridex.indexer.forms.special_tokens import SpecialTokens
from attridex.indexer.forms.templates import Vanishing, check_shown, parse_template

Tokenize = Callable[[str], list[int]]
"""Gives the ids of a text without special tokens."""


class Segments:
    """Segments, one by one, between special tokens."""

    def __init__(self, corpus: CorpusConfig, tokenize: Tokenize, special: SpecialTokens, limit: int, *, choices: bool) -> None:
        """Split the segments.

        Args:
            corpus: segments, target and columns.
            tokenize: gives the ids of a text without special tokens.
            special: tokens around an instance.
            limit: tokens of a sequence at most.
            choices: whether the task is multiple-choice.

        Raises:
            InputError: a segment is not a format string, or `truncate` names no segment, or several; or none shows a column.
        """
        self._tokenize, self._special, self.limit = tokenize, special, limit
        self._segments = [parse_template(segment, "corpus.segments") for segment in corpus.segments]
        self._target = parse_template(corpus.target, "corpus.target") if corpus.target is not None else None
        shown = {name: "corpus.segments" for segment in self._segments for name in segment.fields}
        check_shown([*self._segments, *([self._target] if self._target else [])], "corpus.segments")
        shown |= dict.fromkeys(self._target.fields if self._target else (), "corpus.target")
        self._columns = Columns(shown, corpus.choices if choices else None)
        self.fields, self.adds = self._columns.names, tuple[str, ...]()
        self._cut = self._cut_segment(corpus.truncate)
        self._first_lost = corpus.rendering == 1
        self._vanishing = Vanishing(tokenize, corpus.rendering)

    def _cut_segment(self, truncate: str | None) -> int | None:
        if truncate is None:
            return None
        holders = [number for number, segment in enumerate(self._segments) if truncate in segment.fields]
        if len(holders) != 1:
            fields = ", ".join(dict.fromkeys(name for segment in self._segments for name in segment.fields))
            found = f"'{truncate}' stands in {len(holders)} segments"
            raise InputError(f"corpus.truncate: {found}; name a field of exactly one ({fields})")
        return holders[0]

    def encode(self, record: Mapping[str, Any], where: str) -> Sequence[Encoding]:
        """See `Form.encode`."""
        values = self._columns.read(record, where)
        target = self._target_tokens(values.texts, where) if self._target else []
        fitted = [self._fit(self._parts(texts, where), target, where) for texts in values.filled]
        sequences = tuple(ids for ids, _ in fitted)
        reads, wanted = self._losses(sequences[0], len(target), where) if target else ((), ())
        cut = any(cut for _, cut in fitted)
        own = values.choices.labels
        return [Encoding(sequences, (), reads, wanted, cut, values.fields, self._outputs(values), answers=own)]

    def lacking(self, record: Mapping[str, Any], where: str) -> str:
        """See `Form.lacking`."""
        return self._columns.lacking(record, self._target.fields, "corpus.target") if self._target else ""

    def prompt(self, record: Mapping[str, Any], where: str) -> Encoding | None:
        """See `Form.prompt`."""
        if self._target is None or not self.lacking(record, where):
            return None
        values = self._columns.read(record, where, without=self._target.fields)
        ids, cut = self._fit(self._parts(values.texts, where), [], where)
        return Encoding((ids,), truncated=cut, fields=values.fields)

    def _losses(self, ids: Tokens, target: int, where: str) -> tuple[Tokens, Tokens]:
        if target == len(ids) and (self._first_lost or target == 1):
            end = "was read at a wrong position by attridex 0.1; build the index anew" if self._first_lost else "has no loss"
            raise InputError(f"{where}: nothing stands before the target's first token, which {end}")
        return losses_of(ids, len(ids) - target)

    def _outputs(self, values: Values) -> tuple[str, ...]:
        return (self._target.text(values.texts).strip(),) if self._target else values.numbers

    def _parts(self, texts: Mapping[str, str], where: str) -> list[list[int]]:
        """Token ids of the segments, each tokenised alone."""
        parts = [self._tokenize(segment.text(texts)) for segment in self._segments]
        for segment, part in zip(self._segments, parts, strict=True):
            self._vanishing.check(segment, texts, len(part), where)
        return parts

    def _target_tokens(self, texts: Mapping[str, str], where: str) -> list[int]:
        target = self._tokenize(self._target.text(texts)) if self._target else []
        if not target:
            raise InputError(f"{where}: the target has no tokens; corpus.target must show a text")
        return target

    def _fit(self, parts: list[list[int]], target: list[int], where: str) -> tuple[Tokens, bool]:
        """Join segments and target; cut the end of the segment named by `truncate` where the whole is too long."""
        before, after = self._special.before, (*self._special.after, *target)
        excess = len(before) + len(after) + sum(map(len, parts)) - self.limit
        if excess > 0:
            if self._cut is None or len(parts[self._cut]) < excess:
                end = "; set corpus.truncate to the field to shorten" if self._cut is None else " even with the cut segment empty"
                raise InputError(f"{where}: {excess} tokens over the limit of {self.limit}{end}")
            parts[self._cut] = parts[self._cut][: len(parts[self._cut]) - excess]
        return (*before, *(token for part in parts for token in part), *after), excess > 0
