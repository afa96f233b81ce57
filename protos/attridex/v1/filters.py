"""Filters: a typed condition over the columns of the instances table, as the wire carries it."""

from dataclasses import dataclass
from typing import Literal

Value = str | int | float | bool
"""A literal of a filter."""
Operator = Literal["=", "!=", "<", "<=", ">", ">="]
DEPTH = 50
"""Deepest nesting of a filter."""
NODES = 10_000
"""Conditions and list values of a filter at most: 5,000 comparisons took 0.4 s, 50,000 took 22, with no way to stop it."""


@dataclass(frozen=True)
class And:
    """All of some conditions hold."""

    filters: tuple["Filter", ...]


@dataclass(frozen=True)
class Or:
    """One of some conditions holds."""

    filters: tuple["Filter", ...]


@dataclass(frozen=True)
class Not:
    """A condition does not hold."""

    filter: "Filter"


@dataclass(frozen=True)
class Comparison:
    """A column beside a literal."""

    column: str
    operator: Operator
    value: Value


@dataclass(frozen=True)
class Membership:
    """A column that is one of some literals."""

    column: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class NullTest:
    """A column that is empty."""

    column: str


@dataclass(frozen=True)
class TextMatch:
    """SQL LIKE: % any text, _ any character."""

    column: str
    pattern: str


Filter = And | Or | Not | Comparison | Membership | NullTest | TextMatch
