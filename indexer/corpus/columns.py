"""Columns that a corpus brings to the instances table: their names, their DuckDB types, and values as they store them."""

import datetime as dt
import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from attridex.indexer.corpus import first_columns
from attridex.indexer.errors import InputError
from attridex.indexer.index.tables import decimal_type, digits_of
from attridex.indexer.readers.values import Cell, Single

EXACT = "EXACT"
"""Whole numbers that a DOUBLE holds exactly; as a type of their own they are BIGINT."""
DOUBLE_DIGITS, MOST_DIGITS = 2**53, 38
WHOLE = {EXACT: 16, "BIGINT": 19, decimal_type(MOST_DIGITS, 0): MOST_DIGITS}
"""Kinds of whole numbers, from the narrowest, and their digits."""
ZONED = "ZONED"
"""Times with a zone; kept as TIMESTAMP in UTC."""
SPELLED, SPELLED_ZONED = "SPELLED", "SPELLED_ZONED"
"""Texts of times in ISO 8601, without and with a zone; a column of one of these alone is a TIMESTAMP, as DuckDB reads JSON."""
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?", re.ASCII)


STORED = {"NULL": "VARCHAR", EXACT: "BIGINT", **dict.fromkeys((ZONED, SPELLED, SPELLED_ZONED), "TIMESTAMP")}
"""DuckDB's name of a kind that has none of its own."""


@dataclass(frozen=True)
class ColumnRules:
    """How a column gets its type and its values.

    Attributes:
        kind_of: kind of one value.
        type_of: DuckDB type of a column whose values have some kinds.
        stored: a value as a column of a type stores it.
        check: refuses a value that no column holds; given the column's name, the value and where it stands.
    """

    kind_of: Callable[[Any], str]
    type_of: Callable[[set[str]], str]
    stored: Callable[[Any, str], Any]
    check: Callable[[str, Any, str], None]


def column_type(value: Any) -> str:
    """Kind of one value."""
    if isinstance(value, list | tuple):
        flat = not any(isinstance(each, list | tuple | dict) for each in value)
        return f"{joined_kind(map(column_type, value))}[]" if flat else "VARCHAR"
    if isinstance(value, Cell | Single):
        return column_type(value.value)
    if is_missing(value):
        return "NULL"
    if isinstance(value, str):
        return spelled_kind(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return whole_kind(value)
    if isinstance(value, Decimal):
        whole, scale = digits_of(value)
        return decimal_type(whole + scale, scale) if whole + scale <= MOST_DIGITS else "VARCHAR"
    return time_kind(value) or {bool: "BOOLEAN", float: "DOUBLE"}.get(type(value), "VARCHAR")


def is_missing(value: Any) -> bool:
    """Whether a value says that there is none: None, or NaN, which tables write for it."""
    return value is None or (isinstance(value, float | Decimal) and math.isnan(value))


def whole_kind(value: int) -> str:
    """The narrowest kind that holds a whole number; text where none does."""
    if abs(value) <= DOUBLE_DIGITS:
        return EXACT
    if -(1 << 63) <= value < 1 << 63:
        return "BIGINT"
    return decimal_type(MOST_DIGITS, 0) if abs(value) < 10**MOST_DIGITS else "VARCHAR"


def time_kind(value: Any) -> str:
    """Kind of a date or time; empty for anything else, and text for what is finer than a microsecond."""
    if isinstance(value, dt.datetime):
        return "VARCHAR" if getattr(value, "nanosecond", 0) else ZONED if value.tzinfo else "TIMESTAMP"
    if isinstance(value, dt.time):
        return "VARCHAR" if value.tzinfo else "TIME"
    return "DATE" if isinstance(value, dt.date) else ""


def spelled_kind(value: str) -> str:
    """Kind of a text: that of a time, where it is one in ISO 8601."""
    found = MOMENT.fullmatch(value)
    try:
        return "VARCHAR" if found is None or not dt.datetime.fromisoformat(value) else SPELLED_ZONED if found[1] else SPELLED
    except ValueError:
        return "VARCHAR"


def merged_type(kinds: set[str]) -> str:
    """DuckDB type for a column whose values have these kinds."""
    kind = joined_kind(kinds)
    inner = STORED.get(kind.removesuffix("[]"), kind.removesuffix("[]"))
    return f"{inner}[]" if kind.endswith("[]") else inner


def joined_kind(kinds: Iterable[str]) -> str:
    """The narrowest kind that holds all of some kinds: numbers stay exact, and what has nothing in common becomes text."""
    found = set(kinds) - {"NULL"}
    if len(found) < 2:
        return found.pop() if found else "NULL"
    if all(kind.endswith("[]") for kind in found):
        return f"{joined_kind(kind.removesuffix('[]') for kind in found)}[]"
    if found <= WHOLE.keys():
        return next(kind for kind in reversed(WHOLE) if kind in found)
    if found == {EXACT, "DOUBLE"}:
        return "DOUBLE"
    return joined_decimal(found) if all(kind in WHOLE or kind.startswith("DECIMAL") for kind in found) else "VARCHAR"


def joined_decimal(kinds: set[str]) -> str:
    """The decimal that holds whole numbers and decimals of some kinds; text where they need too many digits."""
    wholes, scales = zip(*(digits_of(kind) if kind.startswith("DECIMAL") else (WHOLE[kind], 0) for kind in kinds), strict=True)
    digits = max(wholes) + max(scales)
    return decimal_type(digits, max(scales)) if digits <= MOST_DIGITS else "VARCHAR"


def as_column(value: Any, kind: str) -> Any:
    """A value as its column stores it; structures become JSON text."""
    if kind.endswith("[]"):
        return None if value is None else [as_column(each, kind.removesuffix("[]")) for each in value]
    if isinstance(value, Cell | Single):
        return as_cell(value, kind)
    if is_missing(value):
        return None
    if kind == "VARCHAR":
        return text_of(value)
    if kind.startswith("DECIMAL"):
        return Decimal(value)
    if kind == "TIMESTAMP":
        found = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
        return found.astimezone(dt.UTC).replace(tzinfo=None) if found.tzinfo else found
    return float(value) if kind == "DOUBLE" else value


def as_cell(value: Cell | Single, kind: str) -> Any:
    """A cell as its column stores it: of a column of texts its text, whatever it might be alone."""
    own = value.value
    return as_column(str(value) if isinstance(value, Cell) and kind == "VARCHAR" and own is not None else own, kind)


def text_of(value: Any) -> str:
    """The one text of a value: its own, a number's as Python writes it, a date's in ISO 8601, of anything else JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bool | list | tuple | dict):
        return json.dumps(value, ensure_ascii=False, default=text_of)
    return str(value)


def check_value(name: str, value: Any, where: str) -> None:
    """Refuse a value that no column holds: bytes and infinity."""
    if isinstance(value, bytes):
        raise InputError(f"{where}: column '{name}' holds bytes; a text, a number, a date or a list is needed (corpus.metadata)")
    if isinstance(value, float | Decimal) and math.isinf(value):
        raise InputError(f"{where}: column '{name}' holds {value}; a number or null is needed (corpus.metadata)")
    for each in value if isinstance(value, list | tuple) else ():
        check_value(name, each, where)


OWN = ColumnRules(column_type, merged_type, as_column, check_value)
RULES = {
    1: ColumnRules(first_columns.column_type, first_columns.merged_type, first_columns.as_column, lambda *_: None),
    2: OWN,
    3: OWN,
}
"""The rules by their number, `corpus.rendering`."""
