"""Records as the page shows them: texts, a label, marks and the rest."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from attridex.client.figures.numbers import number

Texts = Mapping[str, Mapping[str, Any]]
LABEL = "label"
RESERVED = ("row", "id", "content_hash", "predicted", "loss", "gradient_norm", "tokens", "truncated")
SHOWN = "shown_"
"""Stands before a column of the corpus in the index's table where that has a column of its own of this name."""


@dataclass(frozen=True)
class Shown:
    """A record as it is shown.

    Attributes:
        label: its label; empty where it has none.
        texts: name and text of each field that tells it from others.
        marks: names of boolean columns that are true of it.
        others: the rest, in one line.
    """

    label: str = ""
    texts: tuple[tuple[str, str], ...] = ()
    marks: tuple[str, ...] = ()
    others: str = ""


@dataclass(frozen=True)
class Records:
    """Texts of queries and instances.

    Attributes:
        texts: fields by "query ID" or instance id; may be empty.
        names: fields that are texts, not categories or numbers.
    """

    texts: Texts
    names: tuple[str, ...]

    def of(self, name: str) -> Shown:
        """A record; nothing of it where the texts were not passed on."""
        record = {own_name(key): value for key, value in self.texts.get(name, {}).items()}
        return shown_record(record, tuple(map(own_name, self.names)))


def own_name(column: str) -> str:
    """What the corpus calls a column of the index's table; queries have that name."""
    name = column.removeprefix(SHOWN)
    return name if name.lower() in RESERVED or name.lower().startswith("self_influence") else column


def shown_record(record: Mapping[str, Any], names: Sequence[str]) -> Shown:
    """A record as texts, label, marks and the rest."""
    rest = {key: value for key, value in record.items() if key != LABEL and key not in names and value not in (None, "", False)}
    return Shown(
        label=as_text(record.get(LABEL, "")),
        texts=tuple((name, as_text(record[name])) for name in names if name in record),
        marks=tuple(key.replace("_", " ") for key, value in rest.items() if value is True),
        others="; ".join(f"{key.replace('_', ' ')}: {as_text(value)}" for key, value in rest.items() if value is not True),
    )


def as_text(value: Any) -> str:
    """A field as text; the items of a list with their numbers, which are the labels of choices."""
    if isinstance(value, list):
        return " | ".join(f"{at} {as_text(item)}" for at, item in enumerate(value))
    if isinstance(value, float):
        return number(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else "" if value is None else str(value)
