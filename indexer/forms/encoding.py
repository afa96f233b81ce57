"""What an input form gives: a record as the model reads it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Tokens = tuple[int, ...]
DOCUMENT = "document"
"""Column with the id of the record that an instance is a part of."""


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
        answers: names by which the record's label may mean each of its outputs, where it gives any.
        part: stands behind the record's id where the record gives several encodings.
        label: output index, where the form reads it; else the label's column says it.
    """

    sequences: tuple[Tokens, ...]
    types: tuple[Tokens, ...] = ()
    reads: Tokens = ()
    wanted: Tokens = ()
    truncated: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    part: str = ""
    answers: tuple[str, ...] = ()
    label: int | None = None


class Form(Protocol):
    """A way from a record to what the model reads.

    Attributes:
        fields: columns that it shows, which the index stores as texts.
        adds: columns that it adds beside them, for filters and groups.
    """

    fields: tuple[str, ...]
    adds: tuple[str, ...]

    def encode(self, record: Mapping[str, Any], where: str) -> Sequence[Encoding]:
        """Encode a record, which gives one encoding or (documents, packed rows) several.

        Args:
            record: its values by column.
            where: names it in errors.

        Raises:
            InputError: a column is missing or of another kind, a text is empty, or the input is too long.
        """


def losses_of(ids: Sequence[int], start: int) -> tuple[Tokens, Tokens]:
    """`reads` and `wanted` of a language model's tokens from `start` on; nothing stands before the first token of all."""
    first = max(start, 1)
    return tuple(range(first - 1, len(ids) - 1)), tuple(ids[first:])
