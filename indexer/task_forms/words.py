"""Words with a label each: `tokenizer(words, is_split_into_words=True)`, whose tokens know the word that they are of."""

from collections.abc import Mapping, Sequence
from typing import Any

from attridex.indexer.config import CorpusConfig
from attridex.indexer.errors import InputError, brief, first_line, nearest
from attridex.indexer.forms.calls import TokenizerCall
from attridex.indexer.forms.columns import from_json
from attridex.indexer.forms.encoding import Encoding
from attridex.indexer.forms.templates import parse_template


class Words:
    """A column with a list of words."""

    def __init__(self, corpus: CorpusConfig, tokenizer: Any, limit: int) -> None:
        """Name the column.

        Raises:
            InputError: `corpus.text` is not one column, or the tokenizer does not know words.
        """
        template = parse_template(corpus.text or "", "corpus.text")
        if len(template.fields) != 1 or template.text({template.fields[0]: ""}):
            raise InputError(f'corpus.text = "{corpus.text}": token-classification reads a column of words: text = "{{tokens}}"')
        if not tokenizer.is_fast:
            raise InputError("token-classification needs a fast tokenizer, which knows the word of each token; or encoded rows")
        self.limit = limit
        self._column, self._tokenizer = template.fields[0], TokenizerCall(corpus, tokenizer, limit)
        self._every = corpus.word_pieces == "all"
        self.fields: tuple[str, ...] = (self._column,)
        self.adds: tuple[str, ...] = ()

    def encode(self, record: Mapping[str, Any], where: str) -> Sequence[Encoding]:
        """See `Form.encode`; `Encoding.words` are those of the tokens that are read."""
        words = words_of(record, self._column, where)
        given, cut = self._tokens(words, where)
        owners = given.word_ids()
        read = [at for at, word in enumerate(owners) if word is not None and (self._every or at == owners.index(word))]
        if not read:
            raise InputError(f"{where}: no word has a token; give words that the tokenizer knows")
        ids, types = tuple(given["input_ids"]), tuple(given.get("token_type_ids", ()))
        return [
            Encoding(
                (ids,), (types,) if types else (), tuple(read), truncated=cut, fields={self._column: words},
                words=tuple(owners[at] for at in read), word_count=len(words),
            )
        ]  # fmt: skip

    def lacking(self, record: Mapping[str, Any], where: str) -> str:
        """See `Form.lacking`: words have no target."""
        return ""

    def prompt(self, record: Mapping[str, Any], where: str) -> Encoding | None:
        """See `Form.prompt`.

        Raises:
            InputError: words have no target to leave out.
        """
        raise InputError(f"{where}: words have labels and no target to leave out; leave max_new_tokens out")

    def _tokens(self, words: list[str], where: str) -> tuple[Any, bool]:
        """What the tokenizer's own call gives, and whether it was cut."""
        try:
            whole = self._tokenizer(words, is_split_into_words=True)
            if self._tokenizer.excess(len(whole["input_ids"]), where) <= 0:
                return whole, False
            return self._tokenizer.cut(words, is_split_into_words=True), True
        except (AssertionError, ValueError, TypeError) as error:  # as of a tokenizer without add_prefix_space
            raise InputError(f"{where}: the tokenizer cannot read words: {first_line(error)}") from None


def words_of(record: Mapping[str, Any], name: str, where: str) -> list[str]:
    """A column's words: a list of texts, or the JSON of one (CSV, the index's own table).

    Raises:
        InputError: the column is missing, or holds anything else.
    """
    if record.get(name) is None:
        raise InputError(f"{where}: missing column '{name}' (corpus.text shows it); {nearest(name, record)}")
    value = from_json(record[name])
    if not isinstance(value, list | tuple) or not value or not all(isinstance(word, str) for word in value):
        raise InputError(f"{where}: column '{name}' holds {brief(record[name])}; a list of words is needed")
    return list(value)
