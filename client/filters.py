"""Filter strings, such as "label = 'entailment' AND loss > 2", parsed into the typed tree that requests carry."""

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import sqlglot
from sqlglot import exp

from attridex.client.errors import FilterError
from attridex.v1.filters import And, Comparison, Filter, Membership, Not, NullTest, Operator, Or, TextMatch, Value

ALLOWED = "use columns, literals, = != < <= > >=, AND, OR, NOT, IN, BETWEEN, LIKE, IS NULL"
OPERATORS: Mapping[type[exp.Expr], Operator] = {
    exp.EQ: "=", exp.NEQ: "!=", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip
PARTS = {"this", "expression", "expressions", "low", "high"}
"""What a node may have: the parser keeps there what is read here, and in other places what is not (as SYMMETRIC)."""
SWAPPED: Mapping[Operator, Operator] = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""Operators that change when their sides are swapped."""
MOST = Decimal(10) ** 38
"""Whole numbers below it are sent digit by digit."""
CLASS = re.compile(r"<class '[\w.]*?(\w+)'>")
"""How the parser names a part in its errors."""


def parse_filter(text: str) -> Filter:
    """Parse a filter string.

    Raises:
        FilterError: it is not a condition over columns; the part is shown.
    """
    try:
        tree = sqlglot.parse_one(f"SELECT 1 WHERE {text}", read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        found = getattr(error, "errors", None)
        reason = CLASS.sub(r"\1", found[0]["description"] if found else str(error).splitlines()[0])
        raise FilterError(f"filter {text!r}: cannot be read ({reason}); {ALLOWED}") from None
    extra = [key for key, value in tree.args.items() if value and key not in ("expressions", "where", "kind")]
    where = tree.args.get("where")
    if not isinstance(tree, exp.Select) or extra or where is None:
        raise FilterError(f"filter {text!r}: one condition is needed; {ALLOWED}")
    return parse_condition(where.this)


def parse_condition(tree: exp.Expr) -> Filter:
    """One node of the parsed tree."""
    if type(tree) in OPERATORS:
        return parse_comparison(tree)
    more = {name for name, value in tree.args.items() if value} - (PARTS | {"negate"} if isinstance(tree, exp.Like) else PARTS)
    if type(tree) not in NODES or more:
        raise not_allowed(tree)
    return NODES[type(tree)](tree)


def not_allowed(tree: exp.Expr | None) -> FilterError:
    """The error for a part that a filter cannot have."""
    return FilterError(f"filter: '{shown(tree)}' is not allowed; {ALLOWED}")


def shown(tree: exp.Expr | None) -> str:
    """A part as SQL."""
    return tree.sql(dialect="duckdb") if tree is not None else "nothing"


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
    if isinstance(value, exp.Boolean) and not negative:
        return bool(value.this)
    if not isinstance(value, exp.Literal) or (negative and value.is_string):
        raise not_allowed(tree)
    if value.is_string:
        return str(value.this)
    return parse_number(value.this) * (-1 if negative else 1)


def parse_number(text: str) -> int | float:
    """A whole number, or one with a fraction.

    Raises:
        FilterError: it has more digits than a double keeps.
    """
    exact, number = Decimal(text), float(text)
    if exact == exact.to_integral_value() and abs(exact) < MOST:
        return int(exact)
    if not math.isfinite(number) or Decimal(repr(number)) != exact:
        raise FilterError(f"filter: {text} has more digits than a double keeps; a column of decimals is compared with '{text}'")
    return number


def parse_comparison(tree: exp.Expr) -> Comparison:
    """A comparison, with the column on either side."""
    left, right, operator = tree.this, tree.expression, OPERATORS[type(tree)]
    if isinstance(left, exp.Column) and isinstance(right, exp.Column):
        raise FilterError(
            f"filter: '{shown(tree)}' compares two names; a text stands in single quotes, as {left.name} = '{right.name}', "
            "and two columns cannot be compared"
        )
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
    """IS NULL, and IS TRUE or FALSE, which an empty value is not: IS NOT TRUE holds for it."""
    empty = NullTest(column_name(tree.this))
    if isinstance(tree.expression, exp.Null):
        return empty
    if not isinstance(tree.expression, exp.Boolean):
        raise not_allowed(tree)
    return And((Not(empty), Comparison(empty.column, "=", bool(tree.expression.this))))


NODES: Mapping[type[Any], Callable[[Any], Filter]] = {
    exp.Paren: lambda tree: parse_condition(tree.this),
    exp.And: lambda tree: And(joined_conditions(tree)),
    exp.Or: lambda tree: Or(joined_conditions(tree)),
    exp.Not: lambda tree: Not(parse_condition(tree.this)),
    exp.In: parse_membership,
    exp.Between: parse_between,
    exp.Like: parse_like,
    exp.Is: parse_is,
    exp.Column: lambda tree: Comparison(column_name(tree), "=", True),
}
"""What reads each kind of node, comparisons apart."""
