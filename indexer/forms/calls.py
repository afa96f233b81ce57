"""The user's own call of a tokenizer, cut where the configuration says so."""

from threading import Lock
from typing import Any

from attridex.indexer.config import CorpusConfig
from attridex.indexer.errors import InputError


class TokenizerCall:
    """Calls a tokenizer for one thread at a time: one that truncates changes its own state.

    Attributes:
        limit: tokens of an input at most.
        truncation: how an input that is too long is shortened; False where it is refused.
        side: from which it is shortened.
    """

    def __init__(self, corpus: CorpusConfig, tokenizer: Any, limit: int) -> None:
        """See the attributes; truncation and side are the corpus's."""
        self._tokenizer, self.limit = tokenizer, limit
        self.truncation = "longest_first" if corpus.truncation is True else corpus.truncation
        self.side: str = corpus.truncation_side or tokenizer.truncation_side
        self._lock = Lock()

    def __call__(self, *texts: Any, **options: Any) -> Any:
        """What the tokenizer gives."""
        with self._lock:
            own, self._tokenizer.truncation_side = self._tokenizer.truncation_side, self.side
            try:
                return self._tokenizer(*texts, verbose=False, **options)
            finally:
                self._tokenizer.truncation_side = own

    def cut(self, *texts: Any, **options: Any) -> Any:
        """What the tokenizer gives of an input that is too long; of one text there is nothing to choose from."""
        how = self.truncation if len(texts) > 1 else "longest_first"
        return self(*texts, truncation=how, max_length=self.limit, **options)

    def excess(self, tokens: int, where: str) -> int:
        """How many of an input's tokens must be cut; 0 or less where it fits.

        Raises:
            InputError: it is too long, and nothing may be cut.
        """
        excess = tokens - self.limit
        if excess > 0 and not self.truncation:
            raise InputError(
                f"{where}: {excess} tokens over the limit of {self.limit} (model.max_length, or the model's own); "
                "raise it, or where the training cut inputs set corpus.truncation = true, and model.max_length to what it cut to"
            )
        return excess
