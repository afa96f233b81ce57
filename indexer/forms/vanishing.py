"""Texts that vanish: a column that is not empty, but of which the tokenizer makes no tokens."""

from collections.abc import Callable, Mapping

from attridex.indexer.errors import InputError
from attridex.indexer.forms.templates import Template

SURE = 4
"""So many tokens beyond those of a template's own words are surely of its one field."""


class Vanishing:
    """Looks for columns that leave no token in what a template gives."""

    def __init__(self, tokenize: Callable[[str], list[int]], rendering: int) -> None:
        """`tokenize` gives the ids of a text without special tokens; records whose `rendering` is 1 may vanish."""
        self._tokenize, self._refused = tokenize, rendering > 1
        self._words: dict[str, int] = {}

    def check(self, template: Template, texts: Mapping[str, str], count: int, where: str) -> None:
        """Refuse a column without tokens.

        Args:
            template: a part of the input.
            texts: of its fields.
            count: tokens of it, filled in; 0 where that is not known.
            where: names the record in errors.

        Raises:
            InputError: a column has no tokens.
        """
        if not self._refused or (len(template.fields) == 1 and count > self._own(template) + SURE):
            return
        for name in template.fields:
            if not self._tokenize(texts[name]):
                raise InputError(
                    f"{where}: column '{name}' holds {texts[name][:60]!r}, of which the tokenizer makes no tokens; "
                    "give another text or leave the instance out"
                )

    def _own(self, template: Template) -> int:
        """Tokens of a template's own words."""
        if template.template not in self._words:
            self._words[template.template] = len(self._tokenize(template.text(dict.fromkeys(template.fields, ""))))
        return self._words[template.template]
