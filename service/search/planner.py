"""Filters: a typed condition becomes parameterised SQL over known columns, and that a mask of rows."""

import base64
import json
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attridex.indexer.errors import nearest
from attridex.indexer.index.catalog import quoted
from attridex.indexer.index.records import Manifest
from attridex.service.errors import InvalidArgumentError, VersionGoneError
from attridex.service.requests import Condition
from attridex.service.storage.version import IndexVersion

Literal = str | int | float | bool
DEPTH = 50
"""Deepest nesting of a condition."""
MASKS = 64
"""Masks that are kept."""
KINDS = {"VARCHAR": "text", "BOOLEAN": "true or false", "BIGINT": "a number", "INTEGER": "a number", "DOUBLE": "a number"}


def check_column(manifest: Manifest, name: str, field: str) -> str:
    """DuckDB type of a column.

    Raises:
        InvalidArgumentError: there is no such column.
    """
    columns = dict(manifest.columns)
    if name not in columns:
        raise InvalidArgumentError(f"{field}: unknown column '{name}'; {nearest(name, columns)}", field)
    return columns[name]


def compile_condition(condition: Condition, manifest: Manifest, depth: int = 0) -> tuple[str, list[Literal]]:
    """SQL and its parameters.

    Raises:
        InvalidArgumentError: unknown column, a literal of the wrong kind, or nesting without end.
    """
    if depth > DEPTH:
        raise InvalidArgumentError(f"where: more than {DEPTH} levels deep", "where")
    if condition.kind in ("and", "or", "not"):
        parts = [compile_condition(child, manifest, depth + 1) for child in condition.children]
        if not parts or (condition.kind == "not" and len(parts) != 1):
            raise InvalidArgumentError(f"where: '{condition.kind}' has {len(parts)} conditions", "where")
        joined = f" {condition.kind.upper()} ".join(f"({sql})" for sql, _ in parts)
        parameters = [value for _, values in parts for value in values]
        return (f"NOT {joined}" if condition.kind == "not" else joined), parameters
    kind = KINDS[check_column(manifest, condition.column, "where")]
    column = quoted(condition.column)
    for value in condition.values:
        check_literal(condition.column, kind, value)
    if condition.kind == "null":
        return f"{column} IS NULL", []
    if condition.kind == "like":
        if kind != "text":
            raise InvalidArgumentError(f"where: LIKE needs a text column, '{condition.column}' holds {kind}", "where")
        return f"{column} LIKE ?", list(condition.values)
    if condition.kind == "in":
        if not condition.values:
            raise InvalidArgumentError(f"where: the list after '{condition.column} IN' is empty", "where")
        return f"{column} IN ({', '.join('?' * len(condition.values))})", list(condition.values)
    if condition.operator not in ("=", "!=", "<", "<=", ">", ">="):
        raise InvalidArgumentError(f"where: unknown operator '{condition.operator}'; use = != < <= > >=", "where")
    return f"{column} {condition.operator} ?", list(condition.values)


def check_literal(column: str, kind: str, value: Literal) -> None:
    """Refuse to compare a column with a value of another kind: DuckDB would cast, and fail or mislead."""
    given = "true or false" if isinstance(value, bool) else "text" if isinstance(value, str) else "a number"
    if given != kind:
        raise InvalidArgumentError(f"where: column '{column}' holds {kind}, it is compared with {value!r}", "where")


class Planner:
    """Masks of rows for conditions, kept for the conditions asked last."""

    def __init__(self) -> None:
        """Nothing kept yet."""
        self._masks: OrderedDict[tuple[str, Condition], NDArray[np.bool_]] = OrderedDict()
        self._lock = threading.Lock()

    def mask(self, version: IndexVersion, condition: Condition | None) -> NDArray[np.bool_] | None:
        """Rows that may be hits [n]; None where all may."""
        if condition is None:
            return None if version.live == version.rows else version.alive
        key = (version.manifest.version, condition)
        with self._lock:
            if key in self._masks:
                self._masks.move_to_end(key)
                return self._masks[key]
        sql, parameters = compile_condition(condition, version.manifest)
        found = version.select(f"SELECT row FROM instances WHERE {sql}", parameters)
        mask = np.zeros(version.rows, bool)
        mask[[row for (row,) in found]] = True
        mask &= version.alive
        with self._lock:
            self._masks[key] = mask
            while len(self._masks) > MASKS:
                self._masks.popitem(last=False)
        return mask


@dataclass(frozen=True)
class PageToken:
    """Where a listing goes on: the version that it began with, and how many instances are behind."""

    version: str
    offset: int

    def encode(self) -> str:
        """The token as opaque text."""
        return base64.urlsafe_b64encode(json.dumps([self.version, self.offset]).encode()).decode()

    @classmethod
    def decode(cls, text: str, version: str) -> "PageToken":
        """Read a token.

        Raises:
            InvalidArgumentError: it is not one of ours.
            VersionGoneError: the served version is another than the listing began with.
        """
        try:
            token = cls(*json.loads(base64.urlsafe_b64decode(text.encode())))
            sound = isinstance(token.version, str) and isinstance(token.offset, int) and token.offset >= 0
        except (ValueError, TypeError):
            sound = False
        if not sound:
            raise InvalidArgumentError("page_token: not a token of this server; leave it empty to begin", "page_token")
        if token.version != version:
            raise VersionGoneError(
                f"page_token: the listing began on version {token.version}, version {version} is served now; begin anew"
            )
        return token


def listing_sql(manifest: Manifest, condition: Condition | None, order_by: str) -> tuple[str, list[Any], str]:
    """WHERE clause, its parameters, and ORDER BY clause of a listing."""
    where, parameters = compile_condition(condition, manifest) if condition else ("TRUE", [])
    name = order_by.removeprefix("-") or "row"
    check_column(manifest, name, "order_by")
    direction = "DESC" if order_by.startswith("-") else "ASC"
    return where, list(parameters), f"{quoted(name)} {direction} NULLS LAST, row"
