"""What the tokenizer makes of one text, `tokenizer(text)`, or of a pair, `tokenizer(first, second)`: its template, its cuts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from attridex.indexer.config import CorpusConfig
from attridex.indexer.errors import InputError, first_line
from attridex.indexer.forms.calls import TokenizerCall
from attridex.indexer.forms.columns import Columns, Values
from attridex.indexer.forms.encoding import Encoding, Tokens, losses_of
from attridex.indexer.forms.special_tokens import own_special_tokens
from attridex.indexer.forms.templates import Template, Vanishing, check_shown, parse_template

READ = (
    "input_ids", "token_type_ids", "attention_mask", "special_tokens_mask", "offset_mapping", "length", "overflowing_tokens",
    "overflow_to_sample_mapping", "num_truncated_tokens",
)  # fmt: skip
"""What a tokenizer's call may give: what a model is handed, and what is no input of one."""


@dataclass(frozen=True)
class Tokenized:
    """What the tokenizer gives.

    Attributes:
        ids: of the tokens.
        types: of the tokens; empty where the tokenizer gives none.
        lost: how many tokens were cut.
    """

    ids: Tokens
    types: Tokens
    lost: int = 0


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
            InputError: a template is not a format string, or shows no column.
        """
        self._tokenizer, self.limit, self._language = TokenizerCall(corpus, tokenizer, limit), limit, language
        self._around = own_special_tokens(tokenizer)
        self._templates = templates_of(corpus)
        self._target = parse_template(corpus.target, "corpus.target") if corpus.target is not None else None
        shown = {name: f"corpus.{corpus.form}" for template in self._templates for name in template.fields}
        shown |= dict.fromkeys(self._target.fields if self._target else (), "corpus.target")
        self._columns = Columns(shown, corpus.choices if choices else None)
        self.fields, self.adds = self._columns.names, tuple[str, ...]()
        self._vanishing = Vanishing(self._plain, corpus.rendering)

    def encode(self, record: Mapping[str, Any], where: str) -> Sequence[Encoding]:
        """See `Form.encode`."""
        values = self._columns.read(record, where)
        found = self._with_target(self._target, values, where) if self._target else self._whole(values, where)
        templates = [*self._templates, *([self._target] if self._target else [])]
        for texts, ids in zip(values.filled, found.sequences, strict=True):
            own = len(ids) - len(self._around.before) - len(self._around.after) if len(templates) == 1 else 0
            for template in templates:
                self._vanishing.check(template, texts, own, where)
        return [found]

    def lacking(self, record: Mapping[str, Any], where: str) -> str:
        """See `Form.lacking`."""
        return self._columns.lacking(record, self._target.fields, "corpus.target") if self._target else ""

    def prompt(self, record: Mapping[str, Any], where: str) -> Encoding | None:
        """See `Form.prompt`; a text of which every token has a loss is a prompt itself."""
        if not self._language or len(self._templates) > 1:
            raise InputError(f"{where}: a language model goes on from one text (corpus.text), not from a pair")
        fields = self._target.fields if self._target else ()
        if self._target and not self.lacking(record, where):
            return None
        values = self._columns.read(record, where, without=fields)
        made = self._tokenized([self._templates[0].text(values.texts)], where)
        count = len(made.ids) - len(self._around.after)
        types = (made.types[:count],) if made.types else ()
        return Encoding((made.ids[:count],), types, truncated=made.lost > 0, fields=values.fields)

    def _whole(self, values: Values, where: str) -> Encoding:
        """A text or pair, one sequence a choice; of a language model every token has a loss."""
        taken = [self._tokenized([template.text(texts) for template in self._templates], where) for texts in values.filled]
        types = tuple(each.types for each in taken)
        reads, wanted = losses_of(taken[0].ids, 1) if self._language else ((), ())
        if self._language and not reads:
            raise InputError(f"{where}: one token alone has no loss, nothing stands before it; leave the instance out")
        return Encoding(
            sequences=tuple(each.ids for each in taken),
            types=types if any(types) else (),
            reads=reads,
            wanted=wanted,
            truncated=any(each.lost for each in taken),
            fields=values.fields,
            outputs=("",) if self._language else values.numbers,
            answers=values.choices.labels,
        )

    def _with_target(self, target: Template, values: Values, where: str) -> Encoding:
        """A prompt and its target: what `tokenizer(prompt + target)` adds to `tokenizer(prompt)` has a loss."""
        text, said = self._templates[0].text(values.texts), target.text(values.texts)
        prompt, full = self._call(text), self._call(text + said)
        after = len(self._around.after)
        before = prompt.ids[: len(prompt.ids) - after]
        if full.ids[: len(before)] != before or len(full.ids) - after <= len(before):
            raise InputError(
                f"{where}: the tokenizer does not put the tokens of the target behind those of the text (corpus.text); "
                "begin the target with a space or a new line, or give the tokens yourself (corpus.encoded)"
            )
        whole = self._tokenized([text + said], where)
        start = max(len(self._around.before), len(before) - (whole.lost if self._tokenizer.side == "left" else 0))
        reads, wanted = losses_of(whole.ids, start)
        if not reads or len(whole.ids) - after <= start:
            raise InputError(
                f"{where}: nothing that has a loss is left of the target within {self.limit} tokens (model.max_length)"
            )
        types = (whole.types,) if whole.types else ()
        return Encoding((whole.ids,), types, reads, wanted, whole.lost > 0, values.fields, (said.strip(),))

    def _tokenized(self, texts: list[str], where: str) -> Tokenized:
        """A text or pair, cut by the tokenizer where it is too long."""
        whole = self._call(*texts)
        if self._tokenizer.excess(len(whole.ids), where) <= 0:
            return whole
        cut = self._cut(texts, where)
        return Tokenized(cut.ids, cut.types, len(whole.ids) - len(cut.ids))

    def _cut(self, texts: list[str], where: str) -> Tokenized:
        """A text or pair, shortened as the tokenizer does it."""
        try:
            cut = tokenized(self._tokenizer.cut(*texts))
            reason = "" if 0 < len(cut.ids) <= self.limit else f"{len(cut.ids)} tokens are left"
        except InputError:
            raise
        except Exception as error:  # of the tokenizers' own kinds, where they cannot cut
            reason = first_line(error)
        if reason:
            how = f'by corpus.truncation = "{self._tokenizer.truncation}"'
            raise InputError(f"{where}: the tokenizer cannot shorten it to {self.limit} tokens {how} ({reason})")
        return cut

    def _call(self, *texts: str, **options: Any) -> Tokenized:
        """The tokenizer's own call."""
        return tokenized(self._tokenizer(*texts, **options))

    def _plain(self, text: str) -> list[int]:
        """Ids of a text without special tokens."""
        return list(self._call(text, add_special_tokens=False).ids)


def tokenized(given: Any) -> Tokenized:
    """What a tokenizer's call gave, uncut as far as is known here.

    Raises:
        InputError: it gave what a model reads beside ids and token types.
    """
    if strange := [name for name in given if name not in READ]:
        raise InputError(
            f"the tokenizer gives '{strange[0]}' beside the ids, which attridex does not hand to a model; models that need it "
            "(shapes, boxes, languages of tokens) cannot be indexed"
        )
    return Tokenized(tuple(given["input_ids"]), tuple(given.get("token_type_ids", ())))


def templates_of(corpus: CorpusConfig) -> list[Template]:
    """The text, or the two of a pair.

    Raises:
        InputError: a template is not a format string, or shows no column.
    """
    found = [parse_template(corpus.text, "corpus.text")] if corpus.text else list(map(part_of, corpus.pair))
    check_shown(found, f"corpus.{corpus.form}")
    return found


def part_of(name: str) -> Template:
    """One of a pair: a column, or a format string over columns."""
    return parse_template(name, "corpus.pair") if "{" in name else Template(name, (("", name),))
