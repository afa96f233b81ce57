"""The wire's typed filter tree to conditions."""

import math
from typing import cast

from attridex.service.errors import InvalidArgumentError
from attridex.service.requests import Condition
from attridex.service.search.planner import DEPTH
from attridex.v1 import attribution_pb2 as pb

NODES = 10_000
"""Conditions and list values of a filter at most: 5,000 comparisons took 0.4 s, 50,000 took 22, with no way to stop it."""
OPERATORS = {
    pb.OPERATOR_EQUAL: "=",
    pb.OPERATOR_NOT_EQUAL: "!=",
    pb.OPERATOR_LESS: "<",
    pb.OPERATOR_LESS_EQUAL: "<=",
    pb.OPERATOR_GREATER: ">",
    pb.OPERATOR_GREATER_EQUAL: ">=",
}


def condition(message: pb.Filter) -> Condition:
    """A filter.

    Raises:
        InvalidArgumentError: an empty node, nesting without end, or more of it than a query may cost.
    """
    check_size(message)
    return converted(message)


def check_size(message: pb.Filter) -> None:
    """Refuse a filter that is too deep or too large before anything is made of it; without recursion."""
    nodes, level, depth = 0, [message], 0
    while level:
        if depth > DEPTH:
            raise InvalidArgumentError(f"where: more than {DEPTH} levels deep", "where")
        nodes += len(level) + sum(len(getattr(node, "in").values) for node in level)
        if nodes > NODES:
            raise InvalidArgumentError(f"where: more than {NODES} conditions and values; ask in several requests", "where")
        level, depth = [child for node in level for child in children(node)], depth + 1


def children(message: pb.Filter) -> list[pb.Filter]:
    """The filters below a node."""
    node = message.WhichOneof("node")
    if node in ("and", "or"):
        return list(getattr(message, node).filters)
    return [getattr(message, "not")] if node == "not" else []


def converted(message: pb.Filter) -> Condition:
    """A filter whose size was checked."""
    node = message.WhichOneof("node")
    if node in ("and", "or"):
        return Condition(node, tuple(converted(child) for child in children(message)))
    if node == "not":
        return Condition("not", (converted(getattr(message, "not")),))
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
    if kind == "double_value" and math.isnan(message.double_value):
        raise InvalidArgumentError("where: a literal is NaN; give a number", "where")
    return cast("str | int | float | bool", getattr(message, kind))
