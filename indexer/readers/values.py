"""Values that say where they come from: cells of tables, which have no type, and numbers of single precision."""

import re
from typing import Any

import numpy as np

WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)", re.ASCII)
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
TRUTHS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


class Cell(str):
    """A value of CSV or TSV: a text, but where its column is kept for filters what all of that column's values may be."""

    __slots__ = ()

    @property
    def value(self) -> Any:
        """None of an empty cell, else true, false, a number, or its text. A number with zeros before it is a text."""
        if not self:
            return None
        if self in TRUTHS:
            return TRUTHS[self]
        if WHOLE.fullmatch(self):
            return int(self)
        return float(self) if NUMBER.fullmatch(self) and abs(float(self)) < float("inf") else str(self)


class Single(float):
    """A number that a file keeps in 32 bits: 0.1 stands there as 0.10000000149011612."""

    __slots__ = ()

    @property
    def value(self) -> float:
        """The shortest number that 32 bits keep as this one, as DuckDB and pandas show it and compare it."""
        return float(str(np.float32(self)))


def singles(value: Any) -> Any:
    """A float of single precision, or a list of such, as what it is."""
    if isinstance(value, list):
        return list(map(singles, value))
    return Single(value) if isinstance(value, float) else value
