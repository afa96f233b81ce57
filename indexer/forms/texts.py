"""What the tokenizer makes of one text, `tokenizer(text)`, or of a pair, `tokenizer(first, second)`: its template, its cuts."""

from collections.abc import Mapping, Sequence
from typing import Any

from attridex.indexer.config import CorpusConfig
from attridex.indexer.errors import InputError
from attridex.indexer.forms.columns import Columns, Values
from attridex.indexer.forms.encoding import Encoding, Tokens, losses_of
from attridex.indexer.forms.templates import Template, parse_template


class Texts:
    """One text or two, and for a language model a target behind the text."""

    def __init__(self, corpus: CorpusConfig, tokenizer: Any, limit: int, *, choices: bool, language: bool) -> None:
        """Split the templates.

        Args:
            corpus: the text or pair, and columns.
            tokenizer: of the model.
            limit: tokens of a sequence at most.
            choices: whether the task is multiple-choice.
            language: whether every token (of a target, if there is one) has a loss.

        Raises:
            InputError: a template is not a format string.
        """
        self._tokenizer, self._limit, self._language = tokenizer, limit, language
        self._truncation = "longest_first" if corpus.truncation is True else corpus.truncation
        self._side = corpus.truncation_side
        setting = "corpus.text" if corpus.text else "corpus.pair"
        texts = [corpus.text] if corpus.text else [f"{{{name}}}" for name in corpus.pair]
        self._templates = [parse_template(text, setting) for text in texts]
        self._target = parse_template(corpus.target, "corpus.target") if corpus.target is not None else None
        shown = {name: setting for template in self._templates for name in template.fields}
        shown |= dict.fromkeys(self._target.fields if self._target else (), "corpus.target")
        self._columns = Columns(shown, corpus.choices if choices else None)
        self.fields, self.adds = self._columns.names, tuple[str, ...]()

    def encode(self, record: Mapping[str, Any], where: str) -> Sequence[Encoding]:
        """See `Form.encode`."""
        values = self._columns.read(record, where)
        if self._target:
            return [self._with_target(self._templates[0].text(values.texts), self._target, values, where)]
        taken = [self._tokenized([template.text(texts) for template in self._templates], where) for texts in values.filled]
        sequences, types = tuple(ids for ids, _, _ in taken), tuple(own for _, own, _ in taken)
        reads, wanted = losses_of(sequences[0], 1) if self._language else ((), ())
        outputs = ("",) if self._language else values.numbers
        cut = any(cut for _, _, cut in taken)
        return [
            Encoding(
                sequences, types if any(types) else (), reads, wanted, cut, values.fields, outputs, answers=values.choices.labels
            )
        ]

    def _with_target(self, text: str, target: Template, values: Values, where: str) -> Encoding:
        """A prompt and its target: what `tokenizer(prompt + target)` adds to `tokenizer(prompt)` has a loss."""
        said = target.text(values.texts)
        prompt, _, _ = self._tokenized([text], where)
        whole, types, cut = self._tokenized([text + said], where)
        if cut:
            raise InputError(f"{where}: the target would be cut; a text with a target must fit {self._limit} tokens")
        if whole[: len(prompt)] != prompt or len(whole) == len(prompt):
            raise InputError(
                f"{where}: the tokenizer does not put the tokens of the target behind those of the text (corpus.text); "
                "begin the target with a space or a new line, or give the tokens yourself (corpus.encoded)"
            )
        reads, wanted = losses_of(whole, len(prompt))
        return Encoding((whole,), (types,) if types else (), reads, wanted, False, values.fields, (said.strip(),))

    def _tokenized(self, texts: list[str], where: str) -> tuple[Tokens, Tokens, bool]:
        """Ids and token types of a text or pair, and whether it was cut."""
        whole = self._tokenizer(*texts, verbose=False)
        excess = len(whole["input_ids"]) - self._limit
        if excess > 0:
            whole = self._shortened(texts, excess, where)
        return tuple(whole["input_ids"]), tuple(whole.get("token_type_ids", ())), excess > 0

    def _shortened(self, texts: list[str], excess: int, where: str) -> Any:
        """A text or pair, cut by the tokenizer."""
        if not self._truncation:
            raise InputError(
                f"{where}: {excess} tokens over the limit of {self._limit}; set corpus.truncation as your own call does (true)"
            )
        before = self._tokenizer.truncation_side
        self._tokenizer.truncation_side = self._side or before
        try:
            return self._tokenizer(*texts, verbose=False, truncation=self._truncation, max_length=self._limit)
        finally:
            self._tokenizer.truncation_side = before
