"""Templates: format strings such as "Premise : {premise}", split once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Formatter

from attridex.indexer.errors import InputError


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
                raise ValueError(f"'{{{name}}}' is not a plain field name")
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
