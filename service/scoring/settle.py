"""A request's method, settled: everything that its scores depend on, checked against an index."""

from collections.abc import Mapping
from dataclasses import dataclass

from attridex.indexer.index.records import Manifest
from attridex.service.errors import NotIndexedError
from attridex.service.meaning import Meaning
from attridex.service.reading.checks import check_label, choose
from attridex.service.scoring.method import InstanceMethod, Method
from attridex.service.scoring.settings import Values, read_settings
from attridex.service.scoring.structures import Structure, choose_structure
from attridex.service.storage.version import IndexVersion
from attridex.v1.requests import LabelSource, Scoring

Methods = Mapping[str, Method]
"""Every method there is, by name."""


@dataclass(frozen=True)
class Settled:
    """A method with everything that it needs.

    Attributes:
        label: whose loss the query's gradient is of.
        values: its settings, defaults filled in.
        meaning: sign and scale of the scores under them.
        structure: what may find the hits approximately.
    """

    method: Method
    label: LabelSource
    values: Values
    meaning: Meaning
    structure: Structure | None

    @property
    def curvature(self) -> str:
        """The curvature that is used; empty where none is."""
        return self.values.text("curvature")

    @property
    def damping(self) -> float | None:
        """Its damping."""
        return self.values.number("damping") if self.values.has("damping") else None


def settle(version: IndexVersion, methods: Methods, wanted: Scoring, label: LabelSource) -> Settled:
    """Check a method's settings against an index, and fill in the defaults.

    Args:
        version: the index.
        methods: every method there is.
        wanted: the method and its settings.
        label: whose loss is asked about.

    Raises:
        InvalidArgumentError: an unknown method, a setting that the method does not have, or one out of range.
        NotIndexedError: the index was built without what the method needs.
    """
    method = choose("method", wanted.method, methods)
    check_label(version, label)
    given = check_settings(methods, wanted)
    check_indexed(version.manifest, method)
    values = method.settle(version, given)
    structure = choose_structure(version, wanted, method, values, methods.values())
    return Settled(method, label, values, method.said(version, values), structure)


def check_settings(methods: Methods, wanted: Scoring) -> Values:
    """The settings that are given, and the defaults that do not depend on the index."""
    return read_settings(wanted.method, wanted.given, {name: method.settings for name, method in methods.items()})


def check_indexed(manifest: Manifest, method: InstanceMethod) -> None:
    """Refuse a method that the index was not built for."""
    if needed := method.missing(manifest):
        raise NotIndexedError(f'method "{method.name}": the index was built without it; build with {needed}', "method")
