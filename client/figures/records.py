"""Records as the page shows them: texts, a label, marks and the rest."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from attridex.client.figures.numbers import number

Texts = Mapping[str, Mapping[str, Any]]
LABEL = "label"


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
        return shown_record(self.texts.get(name, {}), self.names)


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
