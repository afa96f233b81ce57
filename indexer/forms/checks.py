"""Checks of what any input form gives, before a model sees it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from attridex.indexer.errors import InputError
from attridex.indexer.forms.encoding import Encoding, Form
from attridex.indexer.forms.vocabulary import Vocabulary


class Checked:
    """A form whose tokens are all known to the model, and not special ones alone."""

    def __init__(
        self,
        form: Form,
        vocabulary: Vocabulary,
        rendering: int,
        unlearned: int | None = None,
        named: Callable[[str], str] = lambda name: name,
    ) -> None:
        """See `Form`.

        Args:
            form: encodes records.
            vocabulary: what is known of the tokens.
            rendering: number of the rules by which records are read; by those of 1 they may have no tokens of their own.
            unlearned: a token that has no loss anywhere.
            named: what the index calls a column that the form shows.
        """
        self.fields, self.adds, self.limit = tuple(map(named, form.fields)), form.adds, form.limit
        self._named = named
        self._form, self._vocabulary, self._own_needed = form, vocabulary, rendering > 1
        self._unlearned = unlearned

    def encode(self, record: Mapping[str, Any], where: str) -> Sequence[Encoding]:
        """See `Form.encode`.

        Raises:
            InputError: a token or a token type that the model does not have, or special tokens alone; or no token has a loss, or
                there is not the one where the model reads.
        """
        found = [self._taken(encoding) for encoding in self._form.encode(record, where)]
        for encoding in found:
            self._check(encoding, where)
        return found if self._unlearned is None else learned(found, self._unlearned, where)

    def lacking(self, record: Mapping[str, Any], where: str) -> str:
        """See `Form.lacking`."""
        return self._form.lacking(record, where)

    def prompt(self, record: Mapping[str, Any], where: str) -> Encoding | None:
        """See `Form.prompt`, and `encode`."""
        made = self._form.prompt(record, where)
        found = None if made is None else self._taken(made)
        if found is not None:
            self._check(found, where)
        return found

    def _taken(self, encoding: Encoding) -> Encoding:
        """What the model takes: a Trainer leaves out token types that it is not called with; columns as the index calls them."""
        fields = {self._named(name): value for name, value in encoding.fields.items()}
        return replace(encoding, types=() if self._vocabulary.types == 0 else encoding.types, fields=fields)

    def _check(self, encoding: Encoding, where: str) -> None:
        texts = encoding.sequences if not encoding.source else (encoding.source,)
        for ids in (*texts, *encoding.sequences):
            if not ids or (ids in texts and self._own_needed and self._vocabulary.special.issuperset(ids)):
                raise InputError(f"{where}: the text has no tokens of its own; give another text or leave the instance out")
            if not self._vocabulary.embedded(max(ids)):
                raise InputError(f"{where}: token {self._vocabulary.beyond(max(ids))}")
        end = self._vocabulary.end
        if end is not None and not encoding.reads and any(end not in ids for ids in encoding.sequences):
            raise InputError(
                f"{where}: the text has no token '{self._vocabulary.name(end)}' (eos_token_id), where the model reads its "
                "answer; the tokenizer must put it at the end of each text"
            )
        if not self._vocabulary.embedded(max(encoding.wanted, default=0)):
            raise InputError(f"{where}: token {self._vocabulary.beyond(max(encoding.wanted))}")
        kinds, highest = self._vocabulary.types, max(map(max, encoding.types), default=-1)
        if kinds is not None and highest >= kinds:
            raise InputError(
                f"{where}: token type {highest}, the model has {kinds} (0 to {kinds - 1}); give one text, not a pair"
            )


def learned(found: Sequence[Encoding], unlearned: int, where: str) -> list[Encoding]:
    """Encodings of which one token has no loss; those that have no other are left out.

    Args:
        found: encodings of a record.
        unlearned: the token.
        where: names the record in errors.

    Raises:
        InputError: none is left.
    """
    kept = []
    for encoding in found:
        pairs = [pair for pair in zip(encoding.reads, encoding.wanted, strict=True) if pair[1] != unlearned]
        if pairs:
            reads, wanted = zip(*pairs, strict=True)
            kept.append(replace(encoding, reads=reads, wanted=wanted))
    if not kept:
        raise InputError(f"{where}: the padding token alone would have a loss (corpus.loss_on_padding); leave the instance out")
    return kept
