"""Values that a text shows: they stand there as their file writes them, and a training may have read them through a table.

pandas and `datasets` give all values of a column one type. Of CSV the cells 1.50 and 007 are 1.5 and 7 there, and NA is no value;
of JSON a 1 is 1.0 where another record holds a decimal, and texts of dates are times.
"""

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import Any

from attridex.indexer.readers.values import Cell

WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\s*", re.ASCII)
MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}(:[0-9]{2}(:[0-9]{2})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?", re.ASCII)
NONE = (
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN",
    "None", "n/a", "nan", "null",
)  # fmt: skip
"""Cells that pandas reads as no value."""


class ShownColumn:
    """What is known of a column up to some record."""

    def __init__(self, moments: bool) -> None:
        """Nothing is known yet; `moments` says whether texts may be times."""
        self._numbers, self._whole, self._moments = True, True, moments
        self._none = self._as_whole = self._as_decimal = self._as_moment = ""

    def see(self, value: Any) -> None:
        """Take a value in, as its file writes it."""
        if isinstance(value, Cell) and value in NONE:
            self._none, self._whole, self._moments = self._none or str(value), False, False
            return
        self._numbers = self._numbers and is_number(value)
        self._moments = self._moments and isinstance(value, str) and not isinstance(value, Cell) and moment(value) is not None
        text = str(value)
        if self._numbers:
            self._whole = self._whole and WHOLE.fullmatch(text) is not None
            self._as_whole = self._as_whole or (text if self._whole and str(int(text)) != text else "")
            self._as_decimal = self._as_decimal or (text if str(float(text)) != text else "")
        if self._moments:
            self._as_moment = self._as_moment or (text if moment(text) != text else "")

    @property
    def changed(self) -> tuple[str, str] | None:
        """A value as its file writes it and as a table shows it, both in words; None where all are shown as they are written."""
        number = (self._as_whole if self._whole else self._as_decimal) if self._numbers else ""
        if self._none:
            return self._none, "no value"
        if number:
            return number, f"'{int(number) if self._whole else float(number)}'"
        return (self._as_moment, f"'{moment(self._as_moment)}'") if self._moments and self._as_moment else None


class ShownValues:
    """The columns that texts show."""

    def __init__(self, columns: Iterable[str], *, typed: bool) -> None:
        """`columns` that a template shows; where they are `typed`, as in Parquet, a text is a text."""
        self._columns = {name: ShownColumn(not typed) for name in sorted(columns)}

    def see(self, values: Mapping[str, Any]) -> None:
        """Look at a record."""
        for name, column in self._columns.items():
            column.see(values.get(name))

    @property
    def lines(self) -> list[str]:
        """What there is to say, a line each column."""
        changed = {name: column.changed for name, column in self._columns.items()}
        return [
            f"the texts show column '{name}' as its file writes it ('{found[0]}'); pandas or datasets read it as {found[1]}: "
            "if the training's texts had that, write it so"
            for name, found in changed.items()
            if found
        ]


def is_number(value: Any) -> bool:
    """Whether a table reads a value as a number: of CSV a cell's text, else a number itself."""
    if isinstance(value, Cell):
        return NUMBER.fullmatch(value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)


def moment(text: str) -> str | None:
    """What `datasets` shows of a date or a time in JSON; None where it takes the text for none."""
    try:
        found = dt.datetime.fromisoformat(text) if MOMENT.fullmatch(text) else None
    except ValueError:
        return None
    return None if found is None else str((found.astimezone(dt.UTC) if found.tzinfo else found).replace(tzinfo=None))
