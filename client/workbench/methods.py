"""The methods that studies compare, by one name each: "grad-cos", "influence/hessian", "na-instances"."""

from collections.abc import Sequence
from typing import Any

from attridex.client import calls
from attridex.client.errors import UsageError
from attridex.client.models import IndexInfo
from attridex.v1 import attribution_pb2 as pb

NA = "na-instances"
"""NA-Instances (DCNS) among instance methods."""
CURVED = ("influence", "lissa")


def offered(index: IndexInfo) -> tuple[str, ...]:
    """Methods that an index can answer, those with a curvature once for each; LiSSA is left to who asks for it."""
    found = []
    for method in index.methods:
        if method == "lissa":
            continue
        found += [f"{method}/{curvature}" for curvature in index.curvatures] if method in CURVED else [method]
    return (*found, *([NA] if index.manifest.get("neurons") else []))


def chosen(wanted: Sequence[str], index: IndexInfo) -> tuple[str, ...]:
    """The methods of a study: those wanted, or all that are offered.

    Raises:
        UsageError: the index cannot answer one of them.
    """
    can = offered(index)
    known = {*can, *(f"lissa/{curvature}" for curvature in index.curvatures)}
    for name in wanted:
        if name not in known:
            raise UsageError(f"methods: '{name}' is not answered by this index; it answers {', '.join(sorted(known))}")
    return tuple(dict.fromkeys(wanted)) or can


def instance_methods(names: Sequence[str]) -> tuple[str, ...]:
    """Those that attribute to instances by themselves: all but NA-Instances."""
    return tuple(name for name in names if name != NA)


def arguments(name: str, seed: int) -> dict[str, Any]:
    """A method's arguments of a call."""
    method, _, curvature = name.partition("/")
    found: dict[str, Any] = {"method": method}
    if curvature:
        found["curvature"] = curvature
    if method == "random":
        found["seed"] = seed
    return found


def instances_request(
    name: str, queries: Sequence[Any], *, k: int, label: str, seed: int, fields: Sequence[str] = (), where: str | None = None
) -> pb.AttributeStreamRequest:
    """Ask for the k best training instances of each query, by any of the methods."""
    if name == NA:
        asked = calls.find_instances_by_neurons("", queries, k=k, fields=fields, where=where)
        return pb.AttributeStreamRequest(find_instances_by_neurons=asked)
    request = calls.attribute_instances("", queries, k=k, label=label, fields=fields, where=where, **arguments(name, seed))
    return pb.AttributeStreamRequest(attribute_instances=request)


def neurons_request(
    name: str, queries: Sequence[Any], *, r: int, label: str, seed: int, instances: int
) -> pb.AttributeStreamRequest:
    """Ask for the r top neurons of each query: by NA, or by IA-Neurons with an instance method."""
    if name == "na":
        return pb.AttributeStreamRequest(attribute_neurons=calls.attribute_neurons("", queries, r=r))
    request = calls.find_neurons_by_instances("", queries, r=r, instances=instances, label=label, **arguments(name, seed))
    return pb.AttributeStreamRequest(find_neurons_by_instances=request)
