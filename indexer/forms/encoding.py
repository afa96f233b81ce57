"""What an input form gives: a record as the model reads it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class Surroundings:
    """What a text's row held beside the text: a model may see it, or take the text's positions from it.

    Attributes:
        before: padding before the text.
        behind: padding behind it.
        positions: whether the row says its positions, which count from 0.
        packed: whether the row holds other texts.
    """

    before: Tokens = ()
    behind: Tokens = ()
    positions: bool = False
    packed: bool = False


@dataclass(frozen=True)
class Encoding:
    """A record, or a part of one, as the model reads it.

    Attributes:
        sequences: token ids, one sequence (for multiple-choice one a choice).
        types: token types of each sequence; empty where the tokenizer gives none.
        reads: where a token has a loss, the positions whose states decide it, in ascending order.
        wanted: what is wanted at each of them: of a language model the next token.
        truncated: whether tokens were cut to fit the model.
        fields: the columns that are shown, as they are stored.
        outputs: names of what the model decides between, where the record brings its own; of a language model its target.
        words: of token-classification the word that each position that is read is of, where a record's labels are of words.
        word_count: how many words the record has.
        answers: names by which the record's label may mean each of its outputs, where it gives any.
        part: stands behind the record's id where the record gives several encodings.
        source: of an encoder-decoder model, what its encoder reads; `sequences` are its decoder's.
        surroundings: of each sequence, or of the source, what its row held beside it; empty where that is nothing.
    """

    sequences: tuple[Tokens, ...]
    types: tuple[Tokens, ...] = ()
    reads: Tokens = ()
    wanted: Tokens = ()
    truncated: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    part: str = ""
    words: Tokens = ()
    word_count: int = 0
    answers: tuple[str, ...] = ()
    source: Tokens = ()
    surroundings: tuple[Surroundings, ...] = ()


class Form(Protocol):
    """A way from a record to what the model reads.

    Attributes:
        fields: columns that it shows, which the index stores as texts.
        adds: columns that it adds beside them, for filters and groups.
        limit: tokens of a sequence at most.
    """

    fields: tuple[str, ...]
    adds: tuple[str, ...]
    limit: int

    def encode(self, record: Mapping[str, Any], where: str) -> Sequence[Encoding]:
        """Encode a record, which gives one encoding or (documents, packed rows) several.

        Args:
            record: its values by column.
            where: names it in errors.

        Raises:
            InputError: a column is missing or of another kind, a text is empty, or the input is too long.
        """

    def lacking(self, record: Mapping[str, Any], where: str) -> str:
        """What a record lacks of a target, in words; empty where it has one, or where each token of it has a loss.

        Args:
            record: its values by column.
            where: names it in errors.

        Raises:
            InputError: see `encode`.
        """

    def prompt(self, record: Mapping[str, Any], where: str) -> Encoding | None:
        """What stands before the target, so that a language model goes on from there; None where the record has one.

        Args:
            record: its values by column.
            where: names it in errors.

        Raises:
            InputError: see `encode`; or records of this form have no target.
        """


def losses_of(ids: Sequence[int], start: int) -> tuple[Tokens, Tokens]:
    """`reads` and `wanted` of a language model's tokens from `start` on; nothing stands before the first token of all."""
    first = max(start, 1)
    return tuple(range(first - 1, len(ids) - 1)), tuple(ids[first:])
