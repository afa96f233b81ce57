"""Every IA method by its name: the built-in ones, and those of other packages, which register by an entry point.

An entry point of the group `attridex.methods` names a `VectorMethod` or `RowMethod` object: `toy = "package.module:METHOD"`.
"""

from importlib.metadata import EntryPoint, entry_points

from attridex.indexer.errors import InputError
from attridex.indexer.index.records import Manifest
from attridex.service.methods import bm25, grad_cos, grad_dot, influence, lissa, random, rep_sim, tracin, trak
from attridex.service.scoring.method import Method, RowMethod, VectorMethod
from attridex.service.scoring.settle import Methods
from attridex.v1 import answers

GROUP = "attridex.methods"
NEEDED = ("name", "summary", "meaning")
BUILT_IN: tuple[Method, ...] = tuple(
    each.METHOD for each in (grad_dot, grad_cos, influence, lissa, tracin, trak, rep_sim, bm25, random)
)
"""In the order in which they are listed."""


def load_methods() -> Methods:
    """Every method that can be asked for.

    Raises:
        InputError: one of another package cannot be loaded, or has a name that is taken.
    """
    known: dict[str, Method] = {method.name: method for method in BUILT_IN}
    for entry in entry_points(group=GROUP):
        method = load_method(entry)
        if method.name in known:
            raise InputError(f"{GROUP}: '{entry.value}' is named '{method.name}' as another method is; rename or uninstall it")
        known[method.name] = method
    return known


def describe(manifest: Manifest) -> tuple[answers.Method, ...]:
    """Every method that can be asked for, as an index can answer it."""
    return tuple(method.described(manifest) for method in load_methods().values())


def load_method(entry: EntryPoint) -> Method:
    """The method that an entry point names.

    Raises:
        InputError: it cannot be imported, or is none.
    """
    try:
        method: Method = entry.load()
    except (Exception, SystemExit) as error:  # code of others: whatever it raises
        cause = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(f"{GROUP}: '{entry.name}' ({entry.value}) cannot be loaded: {cause}; mend or uninstall it") from error
    if not isinstance(method, VectorMethod | RowMethod) or not all(hasattr(method, part) for part in NEEDED):
        raise InputError(
            f"{GROUP}: '{entry.name}' ({entry.value}) is no VectorMethod or RowMethod object with {', '.join(NEEDED)}"
        )
    return method
