"""Filter strings, such as "label = 'entailment' AND loss > 2", parsed into the typed tree that requests carry."""

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import sqlglot
from sqlglot import exp

from attridex.client.errors import FilterError
from attridex.indexer.errors import brief
from attridex.v1.filters import And, Comparison, Filter, Membership, Not, NullTest, Operator, Or, TextMatch, Value

ALLOWED = "use columns, literals, = != < <= > >=, AND, OR, NOT, IN, BETWEEN, LIKE, IS NULL"
OPERATORS: Mapping[type[exp.Expr], Operator] = {
    exp.EQ: "=", exp.NEQ: "!=", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip
SWAPPED: Mapping[Operator, Operator] = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""Operators that change when their sides are swapped."""
MOST_DIGITS = 38
"""Digits of a whole number at most."""
CLASS = re.compile(r"<class '[\w.]*?(\w+)'>")
"""How the parser names a part in its errors."""


def parse_filter(text: str) -> Filter:
    """Parse a filter string.

    Raises:
        FilterError: it is not a condition over columns; the part is shown.
    """
    try:
        tree = sqlglot.parse_one(f"SELECT 1 WHERE {text}", read="duckdb")
        return only_condition(text, tree)
    except RecursionError:
        raise FilterError("filter: it is nested too deeply; use IN for a list of values") from None
    except sqlglot.errors.SqlglotError as error:
        found = getattr(error, "errors", None)
        reason = CLASS.sub(r"\1", found[0]["description"] if found else str(error).splitlines()[0])
        raise FilterError(f"filter {text!r}: cannot be read ({reason}); {ALLOWED}") from None


def only_condition(text: str, tree: exp.Expr) -> Filter:
    """The condition of a parsed query that has nothing else."""
    extra = [key for key, value in tree.args.items() if value and key not in ("expressions", "where", "kind")]
    where = tree.args.get("where")
    if not isinstance(tree, exp.Select) or extra or where is None:
        raise FilterError(f"filter {text!r}: one condition is needed; {ALLOWED}")
    return parse_condition(where.this)


def parse_condition(tree: exp.Expr) -> Filter:
    """One node of the parsed tree."""
    if type(tree) in OPERATORS:
        return parse_comparison(tree)
    if type(tree) not in NODES or (tree.args.get("negate") and not isinstance(tree, exp.Like)):
        raise not_allowed(tree)
    return NODES[type(tree)](tree)


def not_allowed(tree: exp.Expr | None) -> FilterError:
    """The error for a part that a filter cannot have."""
    shown = tree.sql(dialect="duckdb") if tree is not None else "nothing"
    return FilterError(f"filter: '{shown}' is not allowed; {ALLOWED}")


def joined_conditions(tree: exp.Expr) -> tuple[Filter, ...]:
    """What AND or OR joins."""
    return tuple(parse_condition(part) for part in tree.flatten())


def column_name(tree: exp.Expr) -> str:
    """A column's name."""
    if not isinstance(tree, exp.Column) or tree.table:
        raise not_allowed(tree)
    return str(tree.name)


def literal_value(tree: exp.Expr) -> Value:
    """A literal: text, whole number, number, true or false."""
    negative = isinstance(tree, exp.Neg)
    value = tree.this if negative else tree
    if isinstance(value, exp.Column) and not value.table:
        raise FilterError(
            f"filter: a column is compared with a value, not with the column '{value.name}'; "
            f"if {value.name} is text, put '{value.name}' in single quotes"
        )
    if isinstance(value, exp.Boolean) and not negative:
        return bool(value.this)
    if not isinstance(value, exp.Literal) or (negative and value.is_string):
        raise not_allowed(tree)
    if value.is_string:
        return str(value.this)
    return parse_number(value.this) * (-1 if negative else 1)


def parse_number(text: str) -> int | float:
    """A whole number, or one with a fraction, that is compared as it is written.

    Raises:
        FilterError: it is none, or a double would round it to another number.
    """
    if text.isdecimal() and len(text) <= MOST_DIGITS:
        return int(text)
    try:
        found, written = float(text), Decimal(text)
    except (ValueError, InvalidOperation):
        raise FilterError(f"filter: {text!r} is not a number") from None
    if not math.isfinite(found) or Decimal(repr(found)) != written:
        raise FilterError(
            f"filter: {brief(text)} has more digits than are compared exactly; whole numbers have at most "
            f"{MOST_DIGITS}, others 15"
        )
    return found


def parse_comparison(tree: exp.Expr) -> Comparison:
    """A comparison, with the column on either side."""
    left, right, operator = tree.this, tree.expression, OPERATORS[type(tree)]
    if isinstance(left, exp.Column):
        return Comparison(column_name(left), operator, literal_value(right))
    return Comparison(column_name(right), SWAPPED.get(operator, operator), literal_value(left))


def parse_membership(tree: exp.Expr) -> Membership:
    """IN with a list of literals."""
    if not tree.expressions or tree.args.get("query"):
        raise not_allowed(tree)
    return Membership(column_name(tree.this), tuple(map(literal_value, tree.expressions)))


def parse_between(tree: exp.Expr) -> And:
    """BETWEEN, both ends included."""
    if tree.args.get("symmetric"):
        raise not_allowed(tree)
    name = column_name(tree.this)
    low, high = literal_value(tree.args["low"]), literal_value(tree.args["high"])
    return And((Comparison(name, ">=", low), Comparison(name, "<=", high)))


def parse_like(tree: exp.Expr) -> Filter:
    """LIKE with a literal pattern."""
    if not (isinstance(tree.expression, exp.Literal) and tree.expression.is_string):
        raise not_allowed(tree)
    matches = TextMatch(column_name(tree.this), tree.expression.this)
    # sqlglot keeps the NOT of NOT LIKE inside the node, unlike that of NOT IN.
    return Not(matches) if tree.args.get("negate") else matches


def parse_is(tree: exp.Expr) -> Filter:
    """IS NULL, and IS TRUE or FALSE."""
    if not isinstance(tree.expression, exp.Null | exp.Boolean):
        raise not_allowed(tree)
    return parse_same(tree)


def parse_same(tree: exp.Expr) -> Filter:
    """IS NOT DISTINCT FROM: a condition that is true or false in every row, so that its NOT holds where the column is empty."""
    name = column_name(tree.this)
    if isinstance(tree.expression, exp.Null):
        return NullTest(name)
    return And((Not(NullTest(name)), Comparison(name, "=", literal_value(tree.expression))))


NODES: Mapping[type[Any], Callable[[Any], Filter]] = {
    exp.Paren: lambda tree: parse_condition(tree.this),
    exp.And: lambda tree: And(joined_conditions(tree)),
    exp.Or: lambda tree: Or(joined_conditions(tree)),
    exp.Not: lambda tree: Not(parse_condition(tree.this)),
    exp.In: parse_membership,
    exp.Between: parse_between,
    exp.Like: parse_like,
    exp.Is: parse_is,
    exp.NullSafeEQ: parse_same,
    exp.NullSafeNEQ: lambda tree: Not(parse_same(tree)),
    exp.Column: lambda tree: Comparison(column_name(tree), "=", True),
}
"""What reads each kind of node, comparisons apart."""
