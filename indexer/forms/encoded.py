"""Rows that are encoded already, as a Trainer's own dataset has them: ids, masks, types, positions and labels.

A row may hold several texts: positions that start again (or `seq_lengths`) part it, as the model's attention did.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attridex.indexer.config import CorpusConfig
from attridex.indexer.errors import InputError
from attridex.indexer.forms.encoding import Encoding
from attridex.indexer.forms.token_rows import (
    IDS,
    LABELS,
    MASK,
    NO_LOSS,
    NOTHING,
    TEXT,
    TYPES,
    TokenRow,
    check_length,
    check_packed,
    lengths_of,
    losses_by_labels,
    no_ids,
    parts_of,
    read_row,
    values,
)
from attridex.indexer.sections import DOCUMENT
from attridex.indexer.task_kinds import Task

Decode = Callable[[Sequence[int]], str]
"""Gives the text of ids."""


class Encoded:
    """Encoded rows."""

    def __init__(self, corpus: CorpusConfig, decode: Decode, limit: int, task: Task) -> None:
        """Keep how rows are read.

        Args:
            corpus: columns.
            decode: gives the text of ids.
            limit: tokens of a sequence at most.
            task: of multiple choice each column is a list of lists; some tasks have a label for each token.
        """
        self.fields: tuple[str, ...] = (TEXT,)
        self.adds: tuple[str, ...] = (DOCUMENT,)
        self._id, self._own_text = corpus.id, TEXT in corpus.metadata
        self._decode, self.limit = decode, limit
        self._choices, self._language = task == "multiple-choice", task == "causal-lm"
        self._tokens = self._language or task == "token-classification"

    def encode(self, record: Mapping[str, Any], where: str) -> Sequence[Encoding]:
        """See `Form.encode`."""
        if self._choices:
            return [self._of_choices(record, where)]
        whole = read_row(record, where, labelled=self._tokens, shifted=self._language)
        parts = parts_of(whole, lengths_of(record, where), where)
        if len(parts) < 2:
            found = [self._encoding([whole], record, where)]
        else:
            check_packed(parts, record, where, decided_once=not self._tokens)
            found = [self._encoding([part], record, f"{where}, part {number}", str(number)) for number, part in enumerate(parts)]
        if not self._tokens:
            return found
        learned = [encoding for encoding in found if encoding.reads]  # a packed text without a loss teaches nothing
        if not learned:
            raise InputError(f"{where}: no token behind the first has a loss (its label is {NO_LOSS}); leave the row out")
        return learned

    def lacking(self, record: Mapping[str, Any], where: str) -> str:
        """See `Form.lacking`."""
        if not self._language:
            return ""
        if record.get(IDS) is None:
            raise InputError(no_ids(where, record))
        if record.get(LABELS) is None:
            return f"missing column '{LABELS}' (corpus.encoded)"
        labels = read_row(record, where, labelled=True, shifted=True).labels
        return "" if set(labels[1:]) - {NO_LOSS} else f"no token behind the first has a loss (its label is {NO_LOSS})"

    def prompt(self, record: Mapping[str, Any], where: str) -> Encoding | None:
        """See `Form.prompt`: a row's tokens without its padding."""
        if not self.lacking(record, where):
            return None
        row = read_row(record, where, labelled=False)
        if len(parts := parts_of(row, lengths_of(record, where), where)) > 1:
            raise InputError(f"{where}: the row packs {len(parts)} texts, and a language model goes on from one; give it alone")
        check_length(row.ids, self.limit, where)
        types = (row.types,) if row.types else ()
        return Encoding((row.ids,), types, fields=self._fields([self._decode(row.ids)], record))

    def _of_choices(self, record: Mapping[str, Any], where: str) -> Encoding:
        """One sequence a choice."""
        columns = {name: values(record, name, where) for name in (IDS, MASK, TYPES) if record.get(name) is not None}
        if IDS not in columns:
            raise InputError(no_ids(where, record))
        if len(columns[IDS]) < 2 or len({len(rows) for rows in columns.values()}) != 1:
            raise InputError(f"{where}: '{IDS}' must hold a list of ids for each of two or more choices")
        rows = [{name: column[number] for name, column in columns.items()} for number in range(len(columns[IDS]))]
        read = [read_row(row, f"{where}, choice {number}", labelled=False) for number, row in enumerate(rows)]
        return self._encoding(read, record, where)

    def _encoding(self, rows: Sequence[TokenRow], record: Mapping[str, Any], where: str, part: str = "") -> Encoding:
        """An encoding of its sequences.

        Args:
            rows: one a sequence.
            record: that they are of.
            where: names it in errors.
            part: which one of the record it is.
        """
        for row in rows:
            check_length(row.ids, self.limit, where)
        reads, wanted = losses_by_labels(rows[0], where, shifted=self._language) if self._tokens else ((), ())
        texts = [self._decode(row.ids) for row in rows]
        said = (
            self._decode(wanted) if self._language and len(wanted) < len(rows[0].ids) - 1 else ""
        )  # where all is learned, the text says it
        return Encoding(
            sequences=tuple(row.ids for row in rows),
            types=tuple(row.types for row in rows) if any(row.types for row in rows) else (),
            reads=reads,
            wanted=wanted,
            fields=self._fields(texts, record),
            outputs=(said.strip(),) if self._language else tuple(map(str, range(len(rows)))) if self._choices else (),
            part=part,
            surroundings=tuple(row.around for row in rows) if any(row.around != NOTHING for row in rows) else (),
        )

    def _fields(self, texts: Sequence[str], record: Mapping[str, Any]) -> Mapping[str, Any]:
        """The columns that are shown, of sequences with these texts."""
        text = record.get(TEXT) if self._own_text else "\n".join(texts)
        return {TEXT: text, DOCUMENT: str(record.get(self._id, ""))}
