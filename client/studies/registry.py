"""The studies that there are: one a file of this folder, and those that others register as `attridex.studies`."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules
from typing import Any

from attridex.client import studies as folder
from attridex.client.errors import UsageError
from attridex.client.studies.base import Study

GROUP = "attridex.studies"


@cache
def built_in() -> tuple[Study[Any], ...]:
    """The studies of this folder, in their order."""
    modules = [import_module(f"{folder.__name__}.{each.name}") for each in iter_modules(folder.__path__)]
    return tuple(sorted((module.STUDY for module in modules if hasattr(module, "STUDY")), key=lambda study: study.order))


def study_names() -> tuple[str, ...]:
    """Names of all studies, in the order that they are run in; none of others is loaded for it."""
    return (*(study.name for study in built_in()), *sorted(each.name for each in entry_points(group=GROUP)))


def studies() -> Mapping[str, Study[Any]]:
    """All studies by name, in the order that they are run in.

    Raises:
        UsageError: one of another package cannot be loaded, or has a name that is taken.
    """
    known = {study.name: study for study in built_in()}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        if entry.name in known:
            raise UsageError(f"{GROUP}: '{entry.value}' is named '{entry.name}' as another study is; rename or uninstall it")
        known[entry.name] = load_study(entry)
    return known


def load_study(entry: EntryPoint) -> Study[Any]:
    """The study that an entry point names.

    Raises:
        UsageError: it cannot be imported, or is none of that name.
    """
    try:
        study = entry.load()
    except (Exception, SystemExit) as error:  # code of others: whatever it raises
        cause = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UsageError(f"{GROUP}: '{entry.name}' ({entry.value}) cannot be loaded: {cause}; mend or uninstall it") from error
    if not isinstance(study, Study) or study.name != entry.name:
        raise UsageError(f"{GROUP}: '{entry.name}' ({entry.value}) is no Study object of that name")
    return study


def on_page() -> tuple[Study[Any], ...]:
    """All studies in the order of the page."""
    return tuple(sorted(studies().values(), key=lambda study: study.closes_page))
