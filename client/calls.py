"""Arguments to request messages: shared by the sync, the asyncio and the in-process client."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from google.protobuf import struct_pb2
from numpy.typing import ArrayLike

from attridex.client.errors import UsageError
from attridex.client.filters import parse_filter
from attridex.v1 import attribution_pb2 as pb

Source = "Query | Mapping[str, Any]"
MODES = {"suppress": pb.INTERVENTION_MODE_SUPPRESS, "keep": pb.INTERVENTION_MODE_KEEP}
LABELS = {None: pb.LABEL_SOURCE_UNSPECIFIED, "gold": pb.LABEL_SOURCE_GOLD, "predicted": pb.LABEL_SOURCE_PREDICTED}


@dataclass(frozen=True)
class Query:
    """What is asked about; a plain dict is taken as a record."""

    message: pb.Query

    @classmethod
    def record(cls, record: Mapping[str, Any], id: str | None = None) -> "Query":
        """A record with the corpus's columns."""
        if not isinstance(record, Mapping):
            raise UsageError(f"a query must be a record (a dict) or a Query, this is {record!r}")
        fields = struct_pb2.Struct()
        try:
            fields.update(dict(record))
        except (ValueError, TypeError) as error:
            raise UsageError(f"a record holds what JSON cannot: {error}") from None
        return cls(pb.Query(id=str(record.get("id", "")) if id is None else id, record=fields))

    @classmethod
    def instance(cls, instance_id: str, id: str | None = None) -> "Query":
        """A training instance of the index."""
        return cls(pb.Query(id=instance_id if id is None else id, instance_id=instance_id))

    @classmethod
    def vector(cls, vector: ArrayLike, id: str = "") -> "Query":
        """A gradient in the index's stored space, not normalised."""
        array = np.ascontiguousarray(vector, "<f4")
        if array.ndim != 1:
            raise UsageError(f"a vector of one dimension is needed, this has shape {array.shape}")
        return cls(pb.Query(id=id, vector=pb.Vector(data=array.tobytes(), dtype=pb.DTYPE_FLOAT32)))

    @classmethod
    def neurons(cls, neurons: Iterable[tuple[int, int]], id: str = "") -> "Query":
        """Neurons as (layer, unit), the most important first."""
        return cls(pb.Query(id=id, neurons=neuron_set(neurons)))


def neuron_set(neurons: Iterable[tuple[int, int]]) -> pb.NeuronSet:
    """Neurons on the wire."""
    try:
        return pb.NeuronSet(neurons=[pb.Neuron(layer=layer, unit=unit) for layer, unit in neurons])
    except (ValueError, TypeError) as error:
        raise UsageError(f"neurons are pairs (layer, unit) counted from 0: {error}") from None


@dataclass(frozen=True)
class Intervention:
    """Suppress or keep neurons at the position that the head reads.

    Attributes:
        mode: "suppress" or "keep".
        neurons: the neurons, or None for the query's own top `r` by `method`.
        method: "na", or "ia:METHOD" for IA-Neurons; "ia:METHOD/CURVATURE" where a method can use several.
        r: how many.
        name: returned with the answer; made from the rest where empty.

    Raises:
        UsageError: there is no such mode.
    """

    mode: str
    neurons: Sequence[tuple[int, int]] | None = None
    method: str = "na"
    r: int = 0
    name: str = ""

    def __post_init__(self) -> None:
        """Refuse a wrong mode before anything is sent."""
        if self.mode not in MODES:
            raise UsageError(f"intervention mode '{self.mode}': use 'suppress' or 'keep'")

    @classmethod
    def parse(cls, mode: str, text: str) -> "Intervention":
        """Read "na:10", "ia:grad-dot:5" or "3-17,5-2".

        Raises:
            UsageError: it is none of these.
        """
        method, _, count = text.rpartition(":")
        if method and count.isdecimal() and (method == "na" or method.startswith("ia:")):
            return cls(mode, None, method, int(count), f"{mode} {text}")
        try:
            pairs = [tuple(int(part) for part in neuron.split("-")) for neuron in text.split(",")]
            neurons = [(layer, unit) for layer, unit in pairs]
        except ValueError:
            raise UsageError(
                f"--{mode} {text}: write na:R, ia:METHOD[/CURVATURE]:R, or neurons as LAYER-UNIT,LAYER-UNIT"
            ) from None
        return cls(mode, neurons, name=f"{mode} {text}")

    def message(self) -> pb.Intervention:
        """The intervention on the wire."""
        mode = MODES[self.mode]
        if self.neurons is not None:
            return pb.Intervention(name=self.name, mode=mode, neurons=neuron_set(self.neurons))
        return pb.Intervention(name=self.name, mode=mode, top=pb.TopNeurons(method=self.method, r=self.r))


def query_messages(queries: Iterable["Query | Mapping[str, Any]"]) -> list[pb.Query]:
    """Queries on the wire; one without an id is named after its place, as in a query file."""
    if isinstance(queries, Query | Mapping | str):
        raise UsageError("queries: a list is needed, this is a single one")
    messages = [query.message if isinstance(query, Query) else Query.record(query).message for query in queries]
    return [message if message.id else named(message, f"query-{at}") for at, message in enumerate(messages)]


def named(message: pb.Query, name: str) -> pb.Query:
    """A query with a name, as its answer will carry it."""
    copy = pb.Query(id=name)
    copy.MergeFrom(message)
    return copy


def label_code(label: str | None) -> pb.LabelSource:
    """A label source on the wire."""
    if label not in LABELS:
        raise UsageError(f"label = {label!r}: use 'gold' or 'predicted'")
    return LABELS[label]


def condition(where: str | pb.Filter | None) -> pb.Filter | None:
    """A filter, parsed where it is a string."""
    return parse_filter(where) if isinstance(where, str) else where


def structure(approximate: str | None) -> dict[str, Any]:
    """Fields of a request that allow a structure: "auto" leaves the choice to the index, None asks for exact answers."""
    return {} if approximate is None else {"exact": False, "approximate": "" if approximate == "auto" else approximate}


def attribute_instances(
    index: str,
    queries: Iterable["Query | Mapping[str, Any]"],
    *,
    method: str = "grad-dot",
    curvature: str | None = None,
    damping: float | None = None,
    lissa_scale: float | None = None,
    lissa_depth: int | None = None,
    seed: int | None = None,
    approximate: str | None = None,
    k: int | None = None,
    where: str | pb.Filter | None = None,
    label: str | None = None,
    fields: Sequence[str] = (),
    ascending: bool = False,
) -> pb.AttributeInstancesRequest:
    """IA."""
    return pb.AttributeInstancesRequest(
        index=index,
        queries=query_messages(queries),
        method=method,
        curvature=curvature or "",
        damping=damping,
        lissa_scale=lissa_scale,
        lissa_depth=unsigned("lissa_depth", lissa_depth),
        seed=unsigned("seed", seed, 1 << 64),
        **structure(approximate),
        k=unsigned("k", k),
        where=condition(where),
        label=label_code(label),
        fields=fields,
        ascending=ascending,
    )


def attribute_neurons(
    index: str, queries: Iterable["Query | Mapping[str, Any]"], *, r: int = 20, method: str | None = None
) -> pb.AttributeNeuronsRequest:
    """NA."""
    return pb.AttributeNeuronsRequest(index=index, queries=query_messages(queries), r=unsigned("r", r), method=method or "")


def find_instances_by_neurons(
    index: str,
    queries: Iterable["Query | Mapping[str, Any]"],
    *,
    r: int = 5,
    k: int | None = None,
    similarity: str = "dcns",
    where: str | pb.Filter | None = None,
    fields: Sequence[str] = (),
) -> pb.FindInstancesByNeuronsRequest:
    """NA-Instances."""
    return pb.FindInstancesByNeuronsRequest(
        index=index,
        queries=query_messages(queries),
        r=unsigned("r", r),
        k=unsigned("k", k),
        similarity=similarity,
        where=condition(where),
        fields=fields,
    )


def find_neurons_by_instances(
    index: str,
    queries: Iterable["Query | Mapping[str, Any]"],
    *,
    method: str = "grad-dot",
    curvature: str | None = None,
    damping: float | None = None,
    lissa_scale: float | None = None,
    lissa_depth: int | None = None,
    seed: int | None = None,
    approximate: str | None = None,
    instances: int | None = None,
    r: int = 10,
    aggregate: str = "top-neuron",
    where: str | pb.Filter | None = None,
    label: str | None = None,
) -> pb.FindNeuronsByInstancesRequest:
    """IA-Neurons."""
    return pb.FindNeuronsByInstancesRequest(
        index=index,
        queries=query_messages(queries),
        method=method,
        curvature=curvature or "",
        damping=damping,
        lissa_scale=lissa_scale,
        lissa_depth=unsigned("lissa_depth", lissa_depth),
        seed=unsigned("seed", seed, 1 << 64),
        **structure(approximate),
        instances=unsigned("instances", instances),
        r=unsigned("r", r),
        aggregate=aggregate,
        where=condition(where),
        label=label_code(label),
    )


def predict(
    index: str, queries: Iterable["Query | Mapping[str, Any]"], *, interventions: Sequence[Intervention] = ()
) -> pb.PredictRequest:
    """Predict."""
    return pb.PredictRequest(
        index=index, queries=query_messages(queries), interventions=[intervention.message() for intervention in interventions]
    )


def unsigned(name: str, value: int | None, limit: int = 1 << 32) -> int | None:
    """A count that the wire can carry."""
    if value is not None and not 0 <= value < limit:
        raise UsageError(f"{name} = {value}: must not be negative")
    return value
