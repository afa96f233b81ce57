"""What a request may ask for at most: looked at before any work, and told by GetIndex."""

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.message import Message

from attridex.service.errors import InvalidArgumentError, LimitError
from attridex.v1.filters import And, Comparison, Filter, Membership, Not, Or, TextMatch
from attridex.v1.limits import Limits
from attridex.v1.requests import HITS, Query, RecordSource

NAME_CHARACTERS = 1024
"""Characters of an id, and of any other name."""


def check_lengths(message: Message, limits: Limits) -> None:
    """Refuse a message that holds more of a thing than a request may. Lengths alone are looked at: nothing of it is decoded yet.

    Raises:
        InvalidArgumentError: it names what is too much, and the limit.
    """
    for field, most in (("queries", limits.queries), ("ids", limits.ids), ("fields", limits.fields),
                        ("interventions", limits.interventions)):  # fmt: skip
        check_count(field, len(getattr(message, field, ())), most)
    for field, what in (("queries", "a query"), ("interventions", "an intervention")):
        total = 0
        for each in getattr(message, field, ()):
            count = len(each.neurons.neurons)
            check_count(field, count, limits.neurons, f"neurons of {what}")
            total += count
        check_count(field, total, max(limits.results, limits.neurons), "neurons")


def check_request(request: Any, limits: Limits) -> None:
    """Refuse a request, in its plain form, that asks for more than the server gives; its lengths were seen to be right.

    Raises:
        InvalidArgumentError: it names what is too much, and the limit.
    """
    check_names("ids", getattr(request, "ids", ()))
    check_names("fields", getattr(request, "fields", ()))
    queries = getattr(request, "queries", ())
    check_results(request, len(queries), limits.results)
    for number, query in enumerate(queries):
        check_query(query, query.id[:50] or f"#{number}", limits)
    if getattr(request, "where", None) is not None:
        check_text("where", characters_of(literals(request.where)), limits.text_characters)


def check_results(request: Any, queries: int, most: int) -> None:
    """Refuse more results than an answer may hold: of all queries together."""
    for field in ("k", "instances", "r"):
        each = getattr(request, field, 0)
        asked = HITS if each is None else each
        if queries > 1 and queries * asked > most:
            raise InvalidArgumentError(
                f"{field} = {asked} for each of {queries} queries: at most {most} results a request; ask in several", field
            )


def check_query(query: Query, name: str, limits: Limits) -> None:
    """Refuse a query with more text than a server reads."""
    check_names("queries", (query.id, query.output))
    if isinstance(query.source, RecordSource):
        check_text(f"query '{name}'", characters_of(query.source.values.items()), limits.text_characters)


def check_count(field: str, count: int, most: int, what: str = "") -> None:
    """Refuse more of a thing than may be.

    Args:
        field: of the request.
        count: how many there are.
        most: how many there may be.
        what: they are, where the field does not say it.
    """
    if count > most:
        more = ", use AttributeStream for more" if (what or field) == "queries" else ""
        raise InvalidArgumentError(f"{field}: {count} {what or field}; at most {most} a request{more}", field)


def check_names(field: str, names: Iterable[str]) -> None:
    """Refuse names that are none."""
    for name in names:
        if len(name) > NAME_CHARACTERS:
            raise InvalidArgumentError(f"{field}: a name of {len(name)} characters; at most {NAME_CHARACTERS}", field)


def check_text(where: str, characters: int, most: int) -> None:
    """Refuse more text than may be tokenised or compared."""
    if characters > most:
        raise InvalidArgumentError(f"{where}: {characters} characters of text; at most {most}", where.partition(" ")[0])


def characters_of(value: Any) -> int:
    """Characters of all texts in a value; without recursion."""
    found, waiting = 0, [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            found += len(each)
        elif isinstance(each, Mapping):
            waiting.extend(each.items())
        elif isinstance(each, Iterable) and not isinstance(each, bytes):
            waiting.extend(each)
    return found


def literals(condition: Filter) -> list[Any]:
    """The texts of a filter: names of columns, literals and patterns."""
    found: list[Any] = []
    waiting: list[Filter] = [condition]
    while waiting:
        match waiting.pop():
            case And(filters) | Or(filters):
                waiting.extend(filters)
            case Not(inner):
                waiting.append(inner)
            case Comparison(column, _, value) | TextMatch(column, value):
                found += (column, value)
            case Membership(column, values):
                found += (column, values)
            case other:
                found.append(other.column)
    return found


def check_answer(size: int, limits: Limits) -> None:
    """Refuse to send an answer that is larger than clients take.

    Raises:
        LimitError: it is.
    """
    if size > limits.response_bytes:
        raise LimitError(
            f"the answer has {size} bytes; at most {limits.response_bytes}: ask for fewer queries, hits, fields or instances"
        )
