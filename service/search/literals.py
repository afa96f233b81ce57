"""Literals of filters: checked against a column's type, and made what DuckDB compares with it exactly."""

import datetime as dt
import math
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from attridex.service.errors import InvalidArgumentError
from attridex.v1.filters import Value

LIST = "[]"
"""Ends the type of a column of lists."""
Parameter = Value | Decimal | dt.date | dt.time
"""What DuckDB is given for a literal."""
KINDS = {
    "VARCHAR": "text", "BOOLEAN": "true or false", "BIGINT": "a number", "INTEGER": "a number", "DOUBLE": "a number",
    "DATE": "a date, as '2021-05-02'", "TIME": "a time, as '13:45'", "TIMESTAMP": "a time, as '2021-05-02 13:45' (in UTC)",
}  # fmt: skip
"""What a column of each type holds; one of decimals a number."""
DIGITS = 38
"""Digits of a decimal at most."""


def held_by(kind: str) -> str:
    """What a column of a type holds, in words."""
    inner = KINDS.get(kind.removesuffix(LIST), "a number")
    return f"lists of {inner}" if kind.endswith(LIST) else inner


def parameter(column: str, value: Value, kind: str) -> Parameter:
    """A literal as what a column of a type is compared with.

    Raises:
        InvalidArgumentError: it is of another kind: DuckDB would cast, and fail or mislead.
    """
    try:
        if kind in TIMES:
            return TIMES[kind](value)
        if kind.startswith("DECIMAL"):
            return exact(Decimal(str(value)) if isinstance(value, str) else number(value))
    except (ValueError, TypeError, InvalidOperation, OverflowError):
        raise mismatch(column, kind, value) from None
    given = "true or false" if isinstance(value, bool) else "text" if isinstance(value, str) else "a number"
    if given != held_by(kind):
        raise mismatch(column, kind, value)
    if isinstance(value, bool | str):
        return value
    return exact(value) if kind == "BIGINT" or isinstance(value, int) else value


def mismatch(column: str, kind: str, value: Value) -> InvalidArgumentError:
    """What is said of a literal of another kind."""
    return InvalidArgumentError(f"where: column '{column}' holds {held_by(kind)}, it is compared with {value!r}", "where")


def number(value: Value) -> int | float:
    """A literal that is a number."""
    if isinstance(value, bool | str):
        raise TypeError
    return value


def exact(value: int | float | Decimal) -> int | float | Decimal:
    """A number to compare with whole numbers or decimals: a double would round them to its own precision."""
    if isinstance(value, int):
        return value if abs(value) < 10**DIGITS else math.inf if value > 0 else -math.inf
    found = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not found.is_finite() or found.adjusted() >= DIGITS or -int(found.as_tuple().exponent) > DIGITS:
        return float(value)
    return found


def moment(value: Any) -> dt.datetime:
    """A point in time, in UTC where a zone is given."""
    found = dt.datetime.fromisoformat(value)
    return found.astimezone(dt.UTC).replace(tzinfo=None) if found.tzinfo else found


TIMES: Mapping[str, Callable[[Any], Parameter]] = {
    "DATE": dt.date.fromisoformat,
    "TIME": dt.time.fromisoformat,
    "TIMESTAMP": moment,
}
"""What reads the text of a date or time."""
