"""Numbers that a text shows: they stand there as their file writes them, and a training may have read them through a table.

pandas and `datasets` give all numbers of a column one type: of CSV the cells 1.50 and 007 are 1.5 and 7 there, and of JSON a 1 is
1.0 where another record holds a decimal.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from attridex.indexer.readers.values import Cell

WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\s*", re.ASCII)


@dataclass
class Numbers:
    """What is known of a column of numbers up to some record.

    Attributes:
        whole: whether all are whole numbers.
        as_whole: the first that whole numbers would show otherwise; empty while there is none.
        as_decimal: the first that decimals would show otherwise.
    """

    whole: bool = True
    as_whole: str = ""
    as_decimal: str = ""

    def see(self, text: str) -> None:
        """Take a number in, as its file writes it."""
        self.whole = self.whole and WHOLE.fullmatch(text) is not None
        if self.whole and str(int(text)) != text:
            self.as_whole = self.as_whole or text
        if str(float(text)) != text:
            self.as_decimal = self.as_decimal or text

    @property
    def changed(self) -> tuple[str, str] | None:
        """A number as its file writes it and as a table shows it; None where all are shown as they are written."""
        odd = self.as_whole if self.whole else self.as_decimal
        return (odd, str(int(odd) if self.whole else float(odd))) if odd else None


class ShownNumbers:
    """The columns that texts show, as long as all of their values are numbers."""

    def __init__(self, columns: Iterable[str]) -> None:
        """`columns` that a template shows."""
        self._known = {name: Numbers() for name in sorted(columns)}

    def see(self, values: Mapping[str, Any]) -> None:
        """Look at a record."""
        for name in list(self._known):
            if is_number(value := values.get(name)):
                self._known[name].see(str(value))
            else:
                del self._known[name]

    @property
    def lines(self) -> list[str]:
        """What there is to say, a line each column."""
        changed = {name: numbers.changed for name, numbers in self._known.items()}
        return [
            f"the texts show column '{name}' as its file writes it ('{found[0]}'); pandas and datasets read it as '{found[1]}': "
            "if the training's texts had that, write it so"
            for name, found in changed.items()
            if found
        ]


def is_number(value: Any) -> bool:
    """Whether a table reads a value as a number: of CSV a cell's text, else a number itself."""
    if isinstance(value, Cell):
        return NUMBER.fullmatch(value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)
