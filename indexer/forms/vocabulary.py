"""What is known of a tokenizer's tokens, and of what the model has for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Vocabulary:
    """Tokens of a tokenizer, seen with a model.

    Attributes:
        name: gives a token as the tokenizer writes it.
        special: ids of special tokens, but for the unknown one, which stands for words.
        begins: ids of the special tokens that a sequence may begin with.
        unknown: id of the unknown token, if there is one.
        embeddings: tokens that the model has embeddings for; None where it does not say.
        types: token types that the model has embeddings for; None where it does not say, 0 where it takes none.
        causal: whether a classifier reads the last token that is not padding, else the first.
        end: id of the token whose last place a classifier reads; None where it looks for none.
        padding: id of the token that the model takes for padding; None where it knows none.
        doubted: id of a token that has a loss here, and perhaps had none in the training; None where there is none.
    """

    name: Callable[[int], str]
    special: frozenset[int] = frozenset()
    begins: frozenset[int] = frozenset()
    unknown: int | None = None
    embeddings: int | None = None
    types: int | None = None
    causal: bool = False
    padding: int | None = None
    end: int | None = None
    doubted: int | None = None

    def read(self, ids: Sequence[int]) -> int:
        """Position whose state a classifier's head reads."""
        if self.end is not None:
            return max((at for at, token in enumerate(ids) if token == self.end), default=0)
        return max((at for at, token in enumerate(ids) if token != self.padding), default=0) if self.causal else 0

    def embedded(self, token: int) -> bool:
        """Whether the model has an embedding for a token."""
        return 0 <= token < (self.embeddings or token + 1)

    def beyond(self, token: int) -> str:
        """A token without an embedding, in words."""
        return (
            f"'{self.name(token)}' is number {token}, the model has {self.embeddings} embeddings (0 to "
            f"{(self.embeddings or 0) - 1}); resize them as the training did, or give the tokenizer of the training"
        )
