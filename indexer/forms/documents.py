"""Long texts in windows, as `tokenizer(text, truncation=True, max_length, stride, return_overflowing_tokens=True)` makes them.

A window's tokens that stood in the window before are context and have no loss, so that each token of a document has one at most.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from attridex.indexer.config import CorpusConfig
from attridex.indexer.errors import InputError
from attridex.indexer.forms.calls import TokenizerCall
from attridex.indexer.forms.columns import text_of
from attridex.indexer.forms.encoding import Encoding, Tokens, losses_of
from attridex.indexer.forms.special_tokens import own_special_tokens
from attridex.indexer.sections import DOCUMENT

TEXT = "text"
"""Column of the windows' texts where that of the documents is called as that of their ids."""


class Window(NamedTuple):
    """Tokens of a window, the place of the first one that is not shared with the window before, and its text."""

    ids: Tokens
    first: int
    text: str


class Documents:
    """Documents, window by window."""

    def __init__(self, corpus: CorpusConfig, tokenizer: Any, limit: int, *, whole: bool = False) -> None:
        """Check that windows move on.

        Args:
            corpus: the documents' column and the stride.
            tokenizer: of the model.
            limit: tokens of a window at most.
            whole: whether the limit is the model's, to which the tokenizer's call would not cut.

        Raises:
            InputError: the tokenizer makes no windows, or they share so much that nothing new is in them.
        """
        self._name, self._id, self._stride = str(corpus.documents), corpus.id, corpus.stride
        self._tokenizer, self.limit = TokenizerCall(corpus, tokenizer, limit), limit
        self._around, self._whole = own_special_tokens(tokenizer), whole
        self.fields: tuple[str, ...] = (self._name if self._name != DOCUMENT else TEXT,)
        self.adds: tuple[str, ...] = (DOCUMENT,)
        if not tokenizer.is_fast:
            raise InputError(f"corpus.documents: {type(tokenizer).__name__} makes no windows; a fast tokenizer is needed")
        added = tokenizer.num_special_tokens_to_add(pair=False)
        if corpus.stride >= limit - added:
            least = corpus.stride + added + 1
            raise InputError(
                f"corpus.stride = {corpus.stride}: windows of {limit} tokens ({added} of them special) have nothing new; give a "
                f"smaller stride, or model.max_length of {least} or more"
            )

    def encode(self, record: Mapping[str, Any], where: str) -> Sequence[Encoding]:
        """See `Form.encode`; a window whose only new token has nothing before it has no loss, and gives no encoding."""
        text = text_of(record, self._name, where, "corpus.documents")
        found = []
        for number, window in enumerate(self._windows(text, where)):
            reads, wanted = losses_of(window.ids, window.first)
            if reads:
                fields = {self.fields[0]: window.text, DOCUMENT: str(record.get(self._id, ""))}
                found.append(Encoding((window.ids,), reads=reads, wanted=wanted, fields=fields, outputs=("",), part=str(number)))
        if not found:
            raise InputError(f"{where}: column '{self._name}' has no token with something before it; leave the document out")
        return found

    def lacking(self, record: Mapping[str, Any], where: str) -> str:
        """See `Form.lacking`: each token of a document has a loss."""
        return ""

    def prompt(self, record: Mapping[str, Any], where: str) -> Encoding | None:
        """See `Form.prompt`: the document itself, without what the tokenizer puts behind it."""
        text = text_of(record, self._name, where, "corpus.documents")
        windows = self._windows(text, where)
        if len(windows) > 1:
            raise InputError(
                f"{where}: the document has {len(windows)} windows of {self.limit} tokens, a language model goes on from one; "
                "give its last part alone, or raise model.max_length"
            )
        ids = windows[0].ids[: len(windows[0].ids) - len(self._around.after)]
        return Encoding((ids,), fields={self.fields[0]: text, DOCUMENT: str(record.get(self._id, ""))})

    def _windows(self, text: str, where: str) -> list[Window]:
        """A document's windows, in the order of its text.

        Raises:
            InputError: it is longer than the model takes, and windows would be longer, too.
        """
        made = self._tokenizer(
            text,
            truncation=True,
            max_length=self.limit,
            stride=self._stride,
            return_overflowing_tokens=True,
            return_special_tokens_mask=True,
            return_offsets_mapping=True,
        )
        columns = zip(made["input_ids"], made["special_tokens_mask"], made["offset_mapping"], strict=True)
        rows = list(columns)
        if self._whole and len(rows) > 1:
            raise InputError(
                f"{where}: more tokens than the model takes, {self.limit}, and a call of the tokenizer makes longer windows; set "
                "model.max_length to that of the training"
            )
        if self._tokenizer.side == "left":  # the tokenizer begins with the document's end
            rows.reverse()
        return [self._window(text, *row, later=number > 0) for number, row in enumerate(rows)]

    def _window(
        self, text: str, ids: Sequence[int], special: Sequence[int], offsets: Sequence[tuple[int, int]], *, later: bool
    ) -> Window:
        """A window.

        Args:
            text: of the document.
            ids: of the window's tokens.
            special: 1 for a token that the tokenizer added.
            offsets: of each token in the text.
            later: whether another window stands before it, with which it shares tokens.
        """
        own = [at for at, added in enumerate(special) if not added]
        if not own:
            return Window(tuple(ids), len(ids), "")
        shared = self._stride if later else 0
        first = own[shared] if shared else 0
        return Window(tuple(ids), first, text[offsets[own[0]][0] : offsets[own[-1]][1]])
