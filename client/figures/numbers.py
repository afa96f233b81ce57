"""How measured numbers are written: three significant digits, an interval behind its mean."""

import math
from collections.abc import Mapping
from typing import Any

MINUS = "\u2212"
NOTHING = "none"


def number(value: Any) -> str:
    """Three significant digits ("0.983", "1,500", "6.95e-9" with a minus sign); "none" for what is not a number."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}".replace("-", MINUS)
    mantissa, mark, exponent = f"{value:.3g}".partition("e")
    return f"{mantissa}{mark}{int(exponent) if mark else ''}".replace("-", MINUS)


def interval(row: Mapping[str, Any]) -> str:
    """A row's mean and 95 % interval: "0.82 (0.77 to 0.86)"."""
    mean = number(row.get("mean"))
    if mean == NOTHING or row.get("low") is None or row.get("high") is None:
        return mean
    return f"{mean} ({number(row['low'])} to {number(row['high'])})"


def count(n: int, unit: str) -> str:
    """A number of things: "1 query", "60 queries"."""
    if n == 1:
        return f"1 {unit}"
    plural = f"{unit[:-1]}ies" if unit.endswith("y") else f"{unit}s"
    return f"{number(n)} {plural}"
