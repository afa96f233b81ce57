"""A source and a target, as encoder-decoder models are trained: `tokenizer(text, text_target=target)`; a source may be a pair."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from attridex.indexer.config import CorpusConfig
from attridex.indexer.errors import InputError, first_line
from attridex.indexer.forms.calls import TokenizerCall
from attridex.indexer.forms.columns import Columns
from attridex.indexer.forms.encoding import Encoding, Tokens
from attridex.indexer.forms.templates import parse_template
from attridex.indexer.forms.texts import templates_of


class SourceTarget:
    """A text or a pair that the encoder reads, and a target whose tokens have a loss, the end of text among them."""

    def __init__(self, corpus: CorpusConfig, tokenizer: Any, limit: int, start: int) -> None:
        """Split the templates.

        Args:
            corpus: the text or pair, the target, and columns.
            tokenizer: of the model.
            limit: tokens of a source, or of a target, at most.
            start: the token that the decoder begins with.

        Raises:
            InputError: a template is not a format string, or shows no column.
        """
        self._tokenizer, self.limit, self._start = TokenizerCall(corpus, tokenizer, limit), limit, start
        self._source = templates_of(corpus)
        self._target = parse_template(corpus.target or "", "corpus.target")
        shown = {name: f"corpus.{corpus.form}" for template in self._source for name in template.fields}
        self._columns = Columns(shown | dict.fromkeys(self._target.fields, "corpus.target"), None)
        self.fields, self.adds = self._columns.names, tuple[str, ...]()

    def encode(self, record: Mapping[str, Any], where: str) -> Sequence[Encoding]:
        """See `Form.encode`."""
        values = self._columns.read(record, where)
        said = self._target.text(values.texts)
        source, target = self._read(values.texts, where), self._call(where, text_target=said)
        ids = (self._start, *target[0][:-1])
        return [
            Encoding(
                (ids,), (), tuple(range(len(ids))), target[0], source[1] or target[1], values.fields, (said.strip(),),
                source=source[0],
            )
        ]  # fmt: skip

    def lacking(self, record: Mapping[str, Any], where: str) -> str:
        """See `Form.lacking`."""
        return self._columns.lacking(record, self._target.fields, "corpus.target")

    def prompt(self, record: Mapping[str, Any], where: str) -> Encoding | None:
        """See `Form.prompt`: what stands before a target is the source, and the token that the decoder begins with."""
        if not self.lacking(record, where):
            return None
        values = self._columns.read(record, where, without=self._target.fields)
        source, cut = self._read(values.texts, where)
        return replace(Encoding(((self._start,),), truncated=cut, fields=values.fields), source=source)

    def _read(self, texts: Mapping[str, str], where: str) -> tuple[Tokens, bool]:
        """What the encoder reads, and whether it was cut."""
        return self._call(where, *(template.text(texts) for template in self._source))

    def _call(self, where: str, *texts: str, **options: Any) -> tuple[Tokens, bool]:
        """Ids of the tokenizer's own call, and whether they were cut."""
        try:
            ids = self._tokenizer(*texts, **options)["input_ids"]
            if self._tokenizer.excess(len(ids), where) <= 0:
                return tuple(ids), False
            return tuple(self._tokenizer.cut(*texts, **options)["input_ids"]), True
        except (ValueError, TypeError, KeyError, OverflowError) as error:  # of the tokenizers' own kinds
            raise InputError(f"{where}: the tokenizer cannot read it: {first_line(error)}") from None
