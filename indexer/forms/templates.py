"""Templates: format strings such as "Premise : {premise}", split once, and columns that leave nothing in what they give."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter

from attridex.indexer.errors import InputError, brief

SURE = 4
"""So many tokens beyond those of a template's own words are surely of its one field."""


@dataclass(frozen=True)
class Template:
    """A format string, split once: literal texts and the field after each (None at the end)."""

    template: str
    parts: tuple[tuple[str, str | None], ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields that the template shows."""
        return tuple(name for _, name in self.parts if name is not None)

    def text(self, values: Mapping[str, str]) -> str:
        """The template with its fields filled in."""
        return "".join(literal + (values[name] if name is not None else "") for literal, name in self.parts)


def parse_template(template: str, setting: str) -> Template:
    """Split a format string such as "Premise : {premise}" of a `setting`.

    Raises:
        InputError: it is not a format string of plain field names.
    """
    parts: list[tuple[str, str | None]] = []
    try:
        for literal, name, spec, conversion in Formatter().parse(template):
            if name is not None and (spec or conversion or not name.isidentifier()):
                shown = f"{{{name}{f'!{conversion}' if conversion else ''}{f':{spec}' if spec else ''}}}"
                raise ValueError(f"'{shown}' is not a plain field name")
            parts.append((literal, name))
    except ValueError as error:
        raise InputError(f"{setting}: {template!r}: {error}; write fields as {{name}}") from None
    return Template(template, tuple(parts))


def check_shown(templates: Sequence[Template], setting: str) -> None:
    """Refuse templates of a `setting` that show no column: all records would be the same.

    Raises:
        InputError: they show none.
    """
    if not any(template.fields for template in templates):
        words = ", ".join(repr(template.template) for template in templates)
        raise InputError(f"{setting}: {words} shows no column; write columns in braces, as {{premise}}")


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
                    f"{where}: column '{name}' holds {brief(texts[name])}, of which the tokenizer makes no tokens; "
                    "give another text or leave the instance out"
                )

    def _own(self, template: Template) -> int:
        """Tokens of a template's own words."""
        if template.template not in self._words:
            self._words[template.template] = len(self._tokenize(template.text(dict.fromkeys(template.fields, ""))))
        return self._words[template.template]
