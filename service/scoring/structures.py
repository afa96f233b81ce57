"""Which approximate structure finds a method's hits, where a request allows one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from attridex.indexer.errors import nearest
from attridex.indexer.index.records import Manifest
from attridex.service.errors import InvalidArgumentError, LimitError, NotIndexedError
from attridex.service.scoring.method import InstanceMethod
from attridex.service.scoring.settings import Values
from attridex.service.storage.version import IndexVersion
from attridex.v1.requests import Scoring

FASTEST = ("ivf", "cagra", "rabitq", "sq8")
GOOD = 0.9
"""Recall above which the fastest structure is taken where none is named."""


@dataclass(frozen=True)
class Structure:
    """A structure of the index, with the recall that was measured for the method."""

    kind: str
    recall: float


def choose_structure(
    version: IndexVersion, wanted: Scoring, method: InstanceMethod, values: Values, methods: Iterable[InstanceMethod]
) -> Structure | None:
    """The structure that a request is answered by; None where it is to be exact.

    Args:
        version: the index.
        wanted: names a structure, or allows one.
        method: whose hits are to be found.
        values: its settings.
        methods: all there are, for errors.

    Raises:
        InvalidArgumentError: an unknown structure, one that does not serve the method, or `exact` with a structure's name.
        NotIndexedError: the index was built without it.
        LimitError: the server has no memory for it.
    """
    asked = wanted.approximate
    if asked and asked not in FASTEST:
        raise InvalidArgumentError(f"approximate: unknown '{asked}'; {nearest(asked, FASTEST)}", "approximate")
    if asked and wanted.exact:
        raise InvalidArgumentError(f"exact = true with approximate = '{asked}'; give one", "approximate")
    if not asked and wanted.exact is not False:
        return None
    check_served(asked, method, methods)
    recalls = measured(version.manifest, method, values)
    if not recalls or (asked and asked not in recalls):
        raise NotIndexedError(
            f'approximate: the index was built without {asked or "a structure"} for this method; build with index.approximate = '
            f'["{asked or "sq8"}"]', "approximate"
        )  # fmt: skip
    recalls = with_room(version, recalls, asked)
    good = [kind for kind, recall in recalls.items() if recall >= GOOD]
    kind = asked or (good[0] if good else max(recalls, key=recalls.__getitem__))
    return Structure(kind, recalls[kind])


def check_served(asked: str, method: InstanceMethod, methods: Iterable[InstanceMethod]) -> None:
    """Refuse a method that is always exact, and a structure that does not serve the method."""
    methods = list(methods)
    if not method.structures:
        others = ", ".join(each.name for each in methods if each.structures)
        raise InvalidArgumentError(
            f"approximate: method '{method.name}' is always exact; {others} can be approximate", "approximate"
        )
    if asked and asked not in method.structures:
        served = " and ".join(f"'{each.name}'" for each in methods if asked in each.structures)
        own = " or ".join(f"'{kind}'" for kind in reversed(FASTEST) if kind in method.structures)
        way = "lists go" if asked == "ivf" else "graph goes"
        raise InvalidArgumentError(
            f"approximate: '{asked}' serves method {served} alone (its {way} by direction); use {own}", "approximate"
        )


def with_room(version: IndexVersion, recalls: Mapping[str, float], asked: str) -> dict[str, float]:
    """Recall of those structures that may be in memory.

    Raises:
        LimitError: the one that is asked for may not, or none of them.
    """
    found = {kind: recall for kind, recall in recalls.items() if version.has_room(kind)}
    if not found or (asked and asked not in found):
        known = f"use {' or '.join(found)}, or serve" if found else "serve"
        raise LimitError(f"approximate: --memory has no room for {asked or 'any structure'}; {known} with more", "approximate")
    return found


def measured(manifest: Manifest, method: InstanceMethod, values: Values) -> dict[str, float]:
    """Recall of each structure that the index has for a method, the fastest first."""
    keys = {kind: f"{kind}/{method.recall_key(values)}" for kind in FASTEST if kind in method.structures}
    return {kind: manifest.recall[key] for kind, key in keys.items() if key in manifest.recall}
