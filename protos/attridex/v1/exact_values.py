"""Values of records as JSON has them, and what of them a Struct would change, whose numbers are doubles."""

import datetime as dt
import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from attridex.v1.errors import UsageError

EXACT = 2**53
"""Whole numbers up to here are exact in a double."""
LARGEST = int(1.7976931348623157e308)
"""The largest number that a double holds."""


class InexactNumber(float):
    """A whole number beyond 2^53 that came as a double: what was written before is not known."""


def json_value(value: Any) -> Any:
    """A value as JSON has it: a decimal as its text, or as a whole number; a date in ISO 8601; numbers of NumPy as Python's."""
    if isinstance(value, str | bool | int | float) or value is None:
        return value
    if isinstance(value, Mapping):
        return {str(key): json_value(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(each) for each in value]
    if isinstance(value, Decimal):
        return int(value) if value.as_tuple().exponent == 0 else str(value)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return json_value(value.tolist()) if hasattr(value, "tolist") else value


def exact_whole(value: Any) -> bool:
    """Whether a Struct keeps the whole numbers of a value."""
    if isinstance(value, list):
        return all(map(exact_whole, value))
    if isinstance(value, dict):
        return all(map(exact_whole, value.values()))
    return isinstance(value, bool) or not isinstance(value, int) or abs(value) <= EXACT


def exact_number(value: Any) -> bool:
    """Whether a Struct keeps all numbers of a value, and that they have a fraction or none."""
    if isinstance(value, list):
        return all(map(exact_number, value))
    if isinstance(value, dict):
        return all(map(exact_number, value.values()))
    return not value.is_integer() if isinstance(value, float) else exact_whole(value)


def through_doubles(value: Any) -> Any:
    """A value as a Struct carries it: whole numbers up to 2^53 are ints, all others floats."""
    if isinstance(value, list):
        return [through_doubles(each) for each in value]
    if isinstance(value, dict):
        return {key: through_doubles(own) for key, own in value.items()}
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    number = float(value)
    return int(number) if number.is_integer() and abs(number) <= EXACT else number


def record_json(record: Mapping[str, Any]) -> str:
    """A record as JSON, where a Struct would change a number of it; else nothing.

    Raises:
        UsageError: it holds NaN or infinity, or what JSON cannot.
    """
    if exact_number(record):
        return ""
    try:
        return json.dumps(record, ensure_ascii=False, allow_nan=False)
    except (ValueError, TypeError) as error:
        raise UsageError(f"a record holds what JSON cannot: {error}", "queries") from None


def record_from_json(text: str) -> dict[str, Any]:
    """A record that came as JSON.

    Raises:
        UsageError: it is none, or holds NaN or infinity.
    """
    try:
        found = json.loads(text)
        finite = all_finite(found)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"record_json is not valid JSON: {error}", "queries") from None
    if not isinstance(found, dict):
        raise UsageError(f"record_json: an object is needed, found {type(found).__name__}", "queries")
    if not finite:
        raise UsageError("the record holds NaN or infinity; give a number or null", "queries")
    return found


def all_finite(value: Any) -> bool:
    """Whether no number of a value is NaN or infinity."""
    if isinstance(value, list):
        return all(map(all_finite, value))
    if isinstance(value, dict):
        return all(map(all_finite, value.values()))
    return not isinstance(value, float) or math.isfinite(value)
