"""The studies that there are: one a file of this folder, and those that others register as `attridex.studies`."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from typing import Any

from attridex.client import studies as folder
from attridex.client.studies.base import Study

GROUP = "attridex.studies"


SECTION = "_section"
"""Ends the name of a file that holds the rest of a study."""


@cache
def built_in() -> tuple[Study[Any], ...]:
    """The studies of this folder, in their order."""
    names = [each.name for each in iter_modules(folder.__path__) if not each.name.endswith(SECTION)]
    modules = [import_module(f"{folder.__name__}.{name}") for name in names]
    return tuple(sorted((module.STUDY for module in modules if hasattr(module, "STUDY")), key=lambda study: study.order))


def study_names() -> tuple[str, ...]:
    """Names of all studies, in the order that they are run in; none of others is loaded for it."""
    return (*(study.name for study in built_in()), *sorted(each.name for each in entry_points(group=GROUP)))


def studies() -> Mapping[str, Study[Any]]:
    """All studies by name, in the order that they are run in."""
    others = {each.name: each.load() for each in entry_points(group=GROUP)}
    return {study.name: study for study in (*built_in(), *(others[name] for name in sorted(others)))}


def on_page() -> tuple[Study[Any], ...]:
    """All studies in the order of the page."""
    return tuple(sorted(studies().values(), key=lambda study: study.closes_page))
