"""The wire's typed filter tree to conditions."""

from typing import cast

from attridex.service.errors import InvalidArgumentError
from attridex.service.planner import DEPTH
from attridex.service.requests import Condition
from attridex.v1 import attribution_pb2 as pb

OPERATORS = {
    pb.OPERATOR_EQUAL: "=",
    pb.OPERATOR_NOT_EQUAL: "!=",
    pb.OPERATOR_LESS: "<",
    pb.OPERATOR_LESS_EQUAL: "<=",
    pb.OPERATOR_GREATER: ">",
    pb.OPERATOR_GREATER_EQUAL: ">=",
}


def condition(message: pb.Filter, depth: int = 0) -> Condition:
    """A filter.

    Raises:
        InvalidArgumentError: an empty node, or nesting without end.
    """
    if depth > DEPTH:
        raise InvalidArgumentError(f"where: more than {DEPTH} levels deep", "where")
    node = message.WhichOneof("node")
    if node in ("and", "or"):
        return Condition(node, tuple(condition(child, depth + 1) for child in getattr(message, node).filters))
    if node == "not":
        return Condition("not", (condition(getattr(message, "not"), depth + 1),))
    if node == "comparison":
        compared = message.comparison
        return Condition("compare", (), compared.column, OPERATORS.get(compared.operator, ""), (literal(compared.value),))
    if node == "in":
        member = getattr(message, "in")
        return Condition("in", (), member.column, "", tuple(literal(value) for value in member.values))
    if node == "is_null":
        return Condition("null", (), message.is_null.column)
    if node == "like":
        return Condition("like", (), message.like.column, "", (message.like.pattern,))
    raise InvalidArgumentError("where: a node of the filter is empty", "where")


def literal(message: pb.Literal) -> str | int | float | bool:
    """A literal of a filter."""
    kind = message.WhichOneof("kind")
    if kind is None:
        raise InvalidArgumentError("where: a literal is not set", "where")
    return cast("str | int | float | bool", getattr(message, kind))
