"""Filters: a typed condition becomes parameterised SQL over known columns, and that a mask of rows."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from attridex.indexer.errors import nearest
from attridex.indexer.index.catalog import quoted
from attridex.indexer.index.records import Manifest
from attridex.service.errors import InvalidArgumentError
from attridex.service.search.literals import LIST, Parameter, held_by, parameter
from attridex.service.storage.version import IndexVersion
from attridex.v1.filters import And, Comparison, Filter, Membership, Not, NullTest, Operator, Or, TextMatch, Value

MASK_BYTES = 64 << 20
"""Size of the masks that are kept."""
KEY_BYTES = 256
"""What a mask's place takes beside it."""
ANSWERS = ("label", "predicted")
"""Columns of labels."""
LISTS = ("multi-label", "token-classification")
"""Tasks whose labels are JSON lists."""
OPERATORS: Mapping[Operator, str] = {name: name for name in get_args(Operator)}
"""SQL of each operator; nothing but these is written into a query."""


def check_column(manifest: Manifest, name: str, field: str) -> str:
    """DuckDB type of a column.

    Raises:
        InvalidArgumentError: there is no such column.
    """
    columns = dict(manifest.columns)
    if name not in columns:
        raise InvalidArgumentError(f"{field}: unknown column '{name}'; {nearest(name, columns)}", field)
    return columns[name]


def is_number(manifest: Manifest, name: str) -> bool:
    """Whether a column is of a regression's answers, which the table keeps as texts."""
    return name in ANSWERS and manifest.task == "regression" and len(manifest.model.labels) == 1


def check_labels(manifest: Manifest, name: str, values: Sequence[Value]) -> None:
    """Refuse labels that no instance can have: a filter of them would find nothing, and not say why.

    Raises:
        InvalidArgumentError: one is none of the index's labels.
    """
    for value in values if name in ANSWERS else ():
        text, labels = str(value), manifest.model.labels
        if manifest.task == "sequence-classification" and labels and value not in labels:
            raise InvalidArgumentError(f"where: no {name} is {value!r}; {nearest(text, labels)}", "where")
        if manifest.task == "multiple-choice" and not text.isdecimal():
            raise InvalidArgumentError(f"where: a {name} of this index is a choice's number, from '0', not {value!r}", "where")
        if manifest.task in LISTS and not manifest.config.corpus.per_token and not text.startswith("["):
            like = f"{name} LIKE '%\"{text}\"%'"
            raise InvalidArgumentError(f"where: a {name} of this index is a list of several; {like} finds one of them", "where")


class Clause(NamedTuple):
    """SQL with its parameters."""

    sql: str
    parameters: list[Parameter]


def compile_filter(condition: Filter, manifest: Manifest) -> Clause:
    """A filter as SQL.

    Raises:
        InvalidArgumentError: an unknown column, a literal of the wrong kind, or an empty list.
    """
    match condition:
        case And(filters):
            return joined("and", filters, manifest)
        case Or(filters):
            return joined("or", filters, manifest)
        case Not(inner):
            sql, parameters = compile_filter(inner, manifest)
            return Clause(f"NOT ({sql})", parameters)
        case Comparison(name, operator, value):
            kind = check_column(manifest, name, "where")
            if is_number(manifest, name):
                return Clause(f"TRY_CAST({quoted(name)} AS DOUBLE) {OPERATORS[operator]} ?", [parameter(name, value, "DOUBLE")])
            check_labels(manifest, name, [value] if operator in ("=", "!=") else [])
            return compared(name, OPERATORS[operator], value, kind)
        case Membership(name, values):
            if not values:
                raise InvalidArgumentError(f"where: the list after '{name} IN' is empty", "where")
            kind = check_column(manifest, name, "where")
            if is_number(manifest, name):
                return joined("or", [Comparison(name, "=", value) for value in values], manifest)
            check_labels(manifest, name, values)
            return among(name, values, kind)
        case NullTest(name):
            check_column(manifest, name, "where")
            return Clause(f"{quoted(name)} IS NULL", [])
        case TextMatch(name, pattern):
            return matched(name, pattern, check_column(manifest, name, "where"))


def joined(word: str, filters: Sequence[Filter], manifest: Manifest) -> Clause:
    """Filters joined by AND or OR."""
    if not filters:
        raise InvalidArgumentError(f"where: '{word}' has 0 conditions", "where")
    parts = [compile_filter(each, manifest) for each in filters]
    sql = f" {word.upper()} ".join(f"({part.sql})" for part in parts)
    return Clause(sql, [value for part in parts for value in part.parameters])


def compared(name: str, operator: str, value: Value, kind: str) -> Clause:
    """A column beside a literal; of a list any element may be equal to it, or none where it must not be.

    Args:
        name: of the column.
        operator: of the comparison, in SQL.
        value: the literal.
        kind: DuckDB type of the column.

    Raises:
        InvalidArgumentError: the literal is of another kind, or lists have no such comparison.
    """
    if not kind.endswith(LIST):
        return Clause(f"{quoted(name)} {operator} ?", [parameter(name, value, kind)])
    if operator not in ("=", "!="):
        raise InvalidArgumentError(
            f"where: column '{name}' holds lists; use = (one of them is), !=, IN, LIKE or IS NULL", "where"
        )
    sql, parameters = among(name, [value], kind)
    return Clause(sql if operator == "=" else f"NOT {sql}", parameters)


def among(name: str, values: Sequence[Value], kind: str) -> Clause:
    """A column that is one of some literals; of a list one of its elements."""
    given = [parameter(name, value, kind.removesuffix(LIST)) for value in values]
    marks = ", ".join("?" * len(given))
    return Clause(f"list_has_any({quoted(name)}, [{marks}])" if kind.endswith(LIST) else f"{quoted(name)} IN ({marks})", given)


def matched(name: str, pattern: str, kind: str) -> Clause:
    """A column that fits a pattern; of a list one of its elements."""
    if kind.removesuffix(LIST) != "VARCHAR":
        raise InvalidArgumentError(f"where: column '{name}' holds {held_by(kind)}, it is compared with {pattern!r}", "where")
    if kind.endswith(LIST):
        return Clause(f"len(list_filter({quoted(name)}, lambda each: each LIKE ?)) > 0", [pattern])
    return Clause(f"{quoted(name)} LIKE ?", [pattern])


class Planner:
    """Masks of rows for conditions, kept for the conditions asked last."""

    def __init__(self, most: int = MASK_BYTES) -> None:
        """Nothing kept yet; `most` bytes will be."""
        self._most = most
        self._masks: OrderedDict[tuple[str, str, bytes], NDArray[np.bool_]] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def mask(self, version: IndexVersion, condition: Filter | None) -> NDArray[np.bool_] | None:
        """Rows that may be hits [n]; None where all may."""
        if condition is None:
            return None if version.live == version.rows else version.alive
        # Its text, not the condition: that may be long, and 1 = True where they are compared.
        key = (version.sha256, version.manifest.version, hashlib.sha256(repr(condition).encode()).digest())
        with self._lock:
            if key in self._masks:
                self._masks.move_to_end(key)
                return self._masks[key]
        sql, parameters = compile_filter(condition, version.manifest)
        mask = np.zeros(version.rows, bool)
        mask[version.rows_where(f"WHERE {sql}", parameters)] = True
        mask &= version.alive
        with self._lock:
            if key not in self._masks:
                self._masks[key] = mask
                self._size += mask.nbytes + KEY_BYTES
            while self._size > self._most:
                self._size -= self._masks.popitem(last=False)[1].nbytes + KEY_BYTES
        return mask


def listing_sql(manifest: Manifest, condition: Filter | None, order_by: str) -> Clause:
    """WHERE and ORDER BY of a listing by a column, "-" before it for descending."""
    where, parameters = compile_filter(condition, manifest) if condition else Clause("TRUE", [])
    name = order_by.removeprefix("-") or "row"
    check_column(manifest, name, "order_by")
    direction = "DESC" if order_by.startswith("-") else "ASC"
    return Clause(f"WHERE {where} ORDER BY {quoted(name)} {direction} NULLS LAST, row", parameters)
