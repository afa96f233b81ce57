"""Types and values of columns by the rules of number 1, for indices that were begun by them: dates and lists are JSON texts."""

import json
from typing import Any


def column_type(value: Any) -> str:
    """DuckDB type for one value."""
    if value is None:
        return "NULL"
    for kind, name in ((bool, "BOOLEAN"), (int, "BIGINT"), (float, "DOUBLE")):
        if isinstance(value, kind):
            return name
    return "VARCHAR"


def merged_type(kinds: set[str]) -> str:
    """DuckDB type for a column whose values have these types."""
    kinds = kinds - {"NULL"}
    if kinds <= {"BIGINT", "DOUBLE"} and kinds:
        return "DOUBLE" if "DOUBLE" in kinds else "BIGINT"
    return kinds.pop() if len(kinds) == 1 else "VARCHAR"


def as_column(value: Any, kind: str) -> Any:
    """A value as its column stores it; structures become JSON text."""
    if value is None:
        return None
    if kind == "VARCHAR":
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return float(value) if kind == "DOUBLE" else value
