"""Filter strings, such as "label = 'entailment' AND loss > 2", parsed into the typed tree that the wire carries."""

import re
from collections.abc import Callable
from typing import Any

import sqlglot
from sqlglot import exp

from attridex.client.errors import FilterError
from attridex.v1 import attribution_pb2 as pb

ALLOWED = "use columns, literals, = != < <= > >=, AND, OR, NOT, IN, BETWEEN, LIKE, IS NULL"
COMPARISONS: dict[type[exp.Expr], tuple[pb.Operator, pb.Operator]] = {
    exp.EQ: (pb.OPERATOR_EQUAL, pb.OPERATOR_EQUAL),
    exp.NEQ: (pb.OPERATOR_NOT_EQUAL, pb.OPERATOR_NOT_EQUAL),
    exp.LT: (pb.OPERATOR_LESS, pb.OPERATOR_GREATER),
    exp.LTE: (pb.OPERATOR_LESS_EQUAL, pb.OPERATOR_GREATER_EQUAL),
    exp.GT: (pb.OPERATOR_GREATER, pb.OPERATOR_LESS),
    exp.GTE: (pb.OPERATOR_GREATER_EQUAL, pb.OPERATOR_LESS_EQUAL),
}
"""Operator as written, and with its sides swapped."""
CLASS = re.compile(r"<class '[\w.]*?(\w+)'>")
"""How the parser names a part in its errors."""


def parse_filter(text: str) -> pb.Filter:
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
    return node(where.this)


def branch(**fields: Any) -> pb.Filter:
    """A filter by field; `and_`, `or_`, `not_` and `in_` stand for the names that Python keeps to itself."""
    return pb.Filter(**{name.rstrip("_"): value for name, value in fields.items()})


def node(tree: exp.Expr) -> pb.Filter:
    """One node of the tree."""
    handlers: dict[type[exp.Expr], Callable[[exp.Expr], pb.Filter]] = {
        exp.Paren: lambda t: node(t.this),
        exp.And: lambda t: branch(and_=pb.FilterList(filters=[node(part) for part in t.flatten()])),
        exp.Or: lambda t: branch(or_=pb.FilterList(filters=[node(part) for part in t.flatten()])),
        exp.Not: lambda t: branch(not_=node(t.this)),
        exp.In: membership,
        exp.Between: between,
        exp.Like: like,
        exp.Is: is_null,
        exp.Column: lambda t: compared(column(t), pb.OPERATOR_EQUAL, pb.Literal(bool_value=True)),
    }
    if type(tree) in COMPARISONS:
        return comparison(tree)
    if tree.args.get("negate") and not isinstance(tree, exp.Like):
        raise refused(tree)
    if type(tree) not in handlers:
        raise refused(tree)
    return handlers[type(tree)](tree)


def refused(tree: exp.Expr | None) -> FilterError:
    """The error for a part that a filter cannot have."""
    shown = tree.sql(dialect="duckdb") if tree is not None else "nothing"
    return FilterError(f"filter: '{shown}' is not allowed; {ALLOWED}")


def column(tree: exp.Expr) -> str:
    """A column's name."""
    if not isinstance(tree, exp.Column) or tree.table:
        raise refused(tree)
    return str(tree.name)


def literal(tree: exp.Expr) -> pb.Literal:
    """A literal: text, whole number, number, true or false."""
    negative = isinstance(tree, exp.Neg)
    value = tree.this if negative else tree
    if isinstance(value, exp.Boolean) and not negative:
        return pb.Literal(bool_value=bool(value.this))
    if not isinstance(value, exp.Literal) or (negative and value.is_string):
        raise refused(tree)
    if value.is_string:
        return pb.Literal(string_value=value.this)
    sign = -1 if negative else 1
    try:
        whole = sign * int(value.this)
        if -(1 << 63) <= whole < 1 << 63:
            return pb.Literal(int_value=whole)
    except ValueError:
        pass
    return pb.Literal(double_value=sign * float(value.this))


def compared(name: str, operator: pb.Operator, value: pb.Literal) -> pb.Filter:
    """A comparison."""
    return pb.Filter(comparison=pb.Comparison(column=name, operator=operator, value=value))


def comparison(tree: exp.Expr) -> pb.Filter:
    """A comparison, with the column on either side."""
    left, right = tree.this, tree.expression
    as_written, swapped = COMPARISONS[type(tree)]
    if isinstance(left, exp.Column):
        return compared(column(left), as_written, literal(right))
    return compared(column(right), swapped, literal(left))


def membership(tree: exp.Expr) -> pb.Filter:
    """IN with a list of literals."""
    if not tree.expressions or tree.args.get("query"):
        raise refused(tree)
    return branch(in_=pb.Membership(column=column(tree.this), values=[literal(value) for value in tree.expressions]))


def between(tree: exp.Expr) -> pb.Filter:
    """BETWEEN, both ends included."""
    name = column(tree.this)
    low = compared(name, pb.OPERATOR_GREATER_EQUAL, literal(tree.args["low"]))
    high = compared(name, pb.OPERATOR_LESS_EQUAL, literal(tree.args["high"]))
    return branch(and_=pb.FilterList(filters=[low, high]))


def like(tree: exp.Expr) -> pb.Filter:
    """LIKE with a literal pattern."""
    if not (isinstance(tree.expression, exp.Literal) and tree.expression.is_string):
        raise refused(tree)
    matches = pb.Filter(like=pb.TextMatch(column=column(tree.this), pattern=tree.expression.this))
    # sqlglot keeps the NOT of NOT LIKE inside the node, unlike that of NOT IN.
    return branch(not_=matches) if tree.args.get("negate") else matches


def is_null(tree: exp.Expr) -> pb.Filter:
    """IS NULL, and IS TRUE or FALSE."""
    if isinstance(tree.expression, exp.Null):
        return pb.Filter(is_null=pb.NullTest(column=column(tree.this)))
    return compared(column(tree.this), pb.OPERATOR_EQUAL, literal(tree.expression))
