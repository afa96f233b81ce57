"""Columns of a record that an input form reads: texts, and the choices of a multiple-choice record."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from attridex.indexer.errors import InputError, brief, nearest
from attridex.indexer.outputs import whole_number

CHOICE = "choice"
"""Name that stands for each choice in turn."""


def text_of(record: Mapping[str, Any], name: str, where: str, setting: str) -> str:
    """A column as text; a number as Python writes it.

    Args:
        record: its values by column.
        name: of the column.
        where: names the record in errors.
        setting: of the configuration, which shows the column.

    Raises:
        InputError: the column is missing, empty, or neither text nor number.
    """
    if name not in record:
        raise InputError(f"{where}: missing column '{name}' ({setting} shows it); {nearest(name, record)}")
    value = record[name]
    if not isinstance(value, str | int | float | Decimal) or isinstance(value, bool) or not is_finite(value):
        raise InputError(f"{where}: column '{name}' holds {brief(value)}; a text is needed")
    text = str(value)
    if not text.strip():
        raise InputError(f"{where}: column '{name}' is empty; give a text or leave the instance out")
    return text


def is_finite(value: str | float | Decimal) -> bool:
    """Whether a value is no NaN or infinity, which tables write for none."""
    return not isinstance(value, float | Decimal) or math.isfinite(value)


@dataclass(frozen=True)
class Choices:
    """What a multiple-choice record offers.

    Attributes:
        texts: of the choices.
        labels: the record's own names of them, as `A` to `D`; empty where it gives none.
    """

    texts: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


def choices_of(record: Mapping[str, Any], name: str, where: str) -> Choices:
    """The choices of a record: a list of texts, such lists with labels, or the JSON of either (CSV, the index's own table).

    Labels stand beside the texts as Hugging Face datasets of this kind have them: {"text": [...], "label": [...]}, or one
    {"text", "label"} a choice.

    Raises:
        InputError: there are none, or their labels do not tell them apart.
    """
    if name not in record:
        raise InputError(f"{where}: missing column '{name}' (corpus.choices); {nearest(name, record)}")
    texts, labels = split_choices(from_json(record[name]))
    if not isinstance(texts, list | tuple) or len(texts) < 2 or not all(isinstance(c, str) and c.strip() for c in texts):
        raise InputError(f"{where}: column '{name}' holds {brief(record[name])}; a list of two or more texts is needed")
    return Choices(tuple(texts), own_labels(labels, len(texts), f"{where}: column '{name}'"))


def from_json(value: Any) -> Any:
    """What a text is the JSON of (CSV, and the index's own table); other values, and other texts, as they are."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def split_choices(value: Any) -> tuple[Any, Any]:
    """Texts and labels of choices, wherever the labels stand; neither is checked."""
    if isinstance(value, Mapping):
        return value.get("text"), value.get("label")
    if isinstance(value, list | tuple) and value and all(isinstance(each, Mapping) for each in value):
        labels = [each.get("label") for each in value]
        return [each.get("text") for each in value], None if set(labels) == {None} else labels
    return value, None


def own_labels(labels: Any, count: int, where: str) -> tuple[str, ...]:
    """The labels of a record's choices as texts; none where it gives none.

    Raises:
        InputError: they are not one different name for each choice.
    """
    if labels is None:
        return ()
    sound = isinstance(labels, list | tuple) and all(isinstance(each, str | int | float) for each in labels)
    names = tuple(str(number if (number := whole_number(each)) is not None else each) for each in labels) if sound else ()
    if len(names) != count or len(set(names)) != count:
        raise InputError(f"{where}: has the labels {labels!r} for {count} choices; one different name for each is needed")
    return names


class Columns:
    """The columns that the templates of a form show, read from a record.

    Attributes:
        names: of the columns that are stored, that of the choices among them.
    """

    def __init__(self, shown: Mapping[str, str], choices: str | None) -> None:
        """Name them.

        Args:
            shown: fields of the templates, in order, with the setting that shows each.
            choices: column of the choices, where the task is multiple-choice.
        """
        self._choices = choices
        self._texts = {name: setting for name, setting in shown.items() if choices is None or name not in (CHOICE, choices)}
        self.names = tuple(dict.fromkeys(choices if choices and name == CHOICE else name for name in shown))

    def lacking(self, record: Mapping[str, Any], names: Sequence[str], setting: str) -> str:
        """That a record has none of the columns that a setting shows, in words; empty where it has one, or there are none."""
        if not names or any(record.get(name) is not None for name in names):
            return ""
        return f"missing column '{names[0]}' ({setting} shows it)"

    def read(self, record: Mapping[str, Any], where: str, without: Sequence[str] = ()) -> "Values":
        """The values of a record, `without` some columns; see `text_of` and `choices_of` for what it raises."""
        choices = choices_of(record, self._choices, where) if self._choices else Choices()
        shown = {name: setting for name, setting in self._texts.items() if name not in without}
        texts = {name: text_of(record, name, where, setting) for name, setting in shown.items()}
        return Values(texts, choices, {name: texts.get(name, list(choices.texts)) for name in self.names if name not in without})


class Values:
    """Values of a record's columns.

    Attributes:
        texts: by column.
        choices: of a multiple-choice record.
        fields: as they are stored.
    """

    def __init__(self, texts: Mapping[str, str], choices: Choices, fields: Mapping[str, Any]) -> None:
        """See the attributes."""
        self.texts, self.choices, self.fields = texts, choices, fields

    @property
    def filled(self) -> list[dict[str, str]]:
        """The texts, once a sequence: for each choice with the choice."""
        return [{**self.texts, CHOICE: choice} for choice in self.choices.texts] or [dict(self.texts)]

    @property
    def numbers(self) -> tuple[str, ...]:
        """Names of the choices: their numbers."""
        return tuple(map(str, range(len(self.choices.texts))))
