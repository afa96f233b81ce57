"""What a caller writes, as the requests take it: plain keywords to a `Scoring`, a text to a filter."""

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict, get_args

from attridex.client.errors import UsageError
from attridex.client.filters import parse_filter
from attridex.v1.filters import Filter
from attridex.v1.requests import Query, Scoring

Queries = Iterable[Query | Mapping[str, Any]]
"""What is asked about: records (dicts), or `Query` objects."""


class ScoringKeywords(TypedDict, total=False):
    """A method of instance attribution as plain keywords of a call; see `Scoring` for the same as an object.

    Attributes:
        method: its name, as `get_index` tells it; default "grad-dot".
        curvature: for influence and lissa; may be left out where the index has one.
        damping: lambda of (H + lambda I)^-1 for influence and trak, default a tenth of H's mean eigenvalue; of lissa.
        lissa_scale: of lissa, default 1e4.
        lissa_depth: steps of lissa, default 1000.
        seed: of random, default 0.
        approximate: "sq8", "rabitq", "ivf", "cagra" or "auto": let a structure of the index find the hits; exact by default.
        settings: any other settings of the method, by name, as `get_index` tells them.
    """

    method: str | None
    curvature: str | None
    damping: float | None
    lissa_scale: float | None
    lissa_depth: int | None
    seed: int | None
    approximate: str | None
    settings: Mapping[str, str | int | float] | None


def as_scoring(scoring: Scoring | None, keywords: Mapping[str, Any]) -> Scoring:
    """The method of a call, given as an object or as `ScoringKeywords`.

    Raises:
        UsageError: it is given both ways.
        TypeError: there is no such keyword.
    """
    given = {name: value for name, value in keywords.items() if value is not None}
    if scoring is None:
        return scoring_from(given)
    if given:
        raise UsageError(f"scoring is given, and {', '.join(given)} beside it: give one of them")
    return scoring


def scoring_from(given: dict[str, Any]) -> Scoring:
    """A scoring from the keywords that are given."""
    if unknown := given.keys() - ScoringKeywords.__annotations__.keys():
        raise TypeError(f"unexpected keyword argument {', '.join(map(repr, sorted(unknown)))}")
    if "settings" in given:
        given["settings"] = {name: as_text(value) for name, value in given["settings"].items()}
    if (structure := given.pop("approximate", None)) is not None:
        given |= {"exact": False, "approximate": "" if structure == "auto" else structure}
    return Scoring(**given)


def as_text(value: str | int | float) -> str:
    """A setting's value as it travels; a float with every digit that it has."""
    return repr(float(value)) if isinstance(value, float) else str(value)


def as_filter(where: str | Filter | None) -> Filter | None:
    """A filter, parsed where it is a text.

    Raises:
        FilterError: the text cannot be read.
        UsageError: it is no filter.
    """
    if isinstance(where, str):
        return parse_filter(where)
    if where is None or isinstance(where, get_args(Filter)):
        return where
    raise UsageError(f"where: a text or a filter of attridex.v1.filters is needed, this is {type(where).__name__}", "where")
