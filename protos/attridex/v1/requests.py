"""Requests as frozen dataclasses, with every default: the plain form of the messages of `attribution.proto`.

Nothing here knows of protobuf; `codec` maps the two. Client and service share these, so a default stands once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from attridex.v1.errors import UsageError
from attridex.v1.filters import Filter
from attridex.v1.neurons import NamedNeuron, Neuron, as_neurons

LabelSource = Literal["gold", "predicted"]
Precision = Literal["float32", "float64"]
Mode = Literal["suppress", "keep"]
MODES: tuple[Mode, ...] = ("suppress", "keep")
HITS = 10
"""Hits of a query where nothing else is asked for."""
QUERIES = 1024
"""Queries a request may hold; a stream takes more."""


@dataclass(frozen=True)
class RecordSource:
    """A record with the corpus's columns."""

    values: Mapping[str, Any]


@dataclass(frozen=True)
class InstanceSource:
    """A training instance of the index, by its id."""

    id: str


@dataclass(frozen=True, eq=False)
class VectorSource:
    """A gradient in the index's stored space [d], not normalised."""

    values: NDArray[np.float32]


@dataclass(frozen=True)
class NeuronsSource:
    """Neurons, the most important first."""

    neurons: tuple[Neuron, ...]


Source = RecordSource | InstanceSource | VectorSource | NeuronsSource
SOURCES: Mapping[type[Any], str] = {
    RecordSource: "record", InstanceSource: "instance_id", VectorSource: "vector", NeuronsSource: "neurons",
}  # fmt: skip
"""What each kind of source is called, on the wire and in errors."""


@dataclass(frozen=True)
class Query:
    """What is asked about; make one by `record`, `instance`, `vector` or `neurons`.

    Attributes:
        id: chosen by the caller, returned with the answer.
        source: None only where the wire brought none, which is refused.
        output: whose probability (a regression's number) neurons are scored for; as the task has it where empty.
        max_new_tokens: of a language model: the target of a record without one is what the model says next, so many tokens at
            most.
    """

    id: str = ""
    source: Source | None = None
    output: str = ""
    max_new_tokens: int = 0

    @property
    def kind(self) -> str:
        """What is asked about, as `SOURCES` calls it; empty where that is nothing."""
        return "" if self.source is None else SOURCES[type(self.source)]

    @classmethod
    def record(cls, record: Mapping[str, Any], id: str | None = None) -> Self:
        """A record with the corpus's columns; named after its own id unless another is given."""
        if not isinstance(record, Mapping):
            raise UsageError(f"a query must be a record (a dict) or a Query, this is a {type(record).__name__}", "queries")
        return cls(str(record.get("id", "")) if id is None else id, RecordSource(record))

    @classmethod
    def instance(cls, instance_id: str, id: str | None = None) -> Self:
        """A training instance of the index."""
        return cls(instance_id if id is None else id, InstanceSource(instance_id))

    @classmethod
    def vector(cls, vector: ArrayLike, id: str = "") -> Self:
        """A gradient in the index's stored space [d], not normalised."""
        array = np.ascontiguousarray(vector, np.float32)
        if array.ndim != 1:
            raise UsageError(f"a vector of one dimension is needed, this has shape {array.shape}", "queries")
        return cls(id, VectorSource(array))

    @classmethod
    def neurons(cls, neurons: Iterable[NamedNeuron], id: str = "") -> Self:
        """Neurons as (layer, unit), or `Neuron`s, the most important first."""
        return cls(id, NeuronsSource(as_neurons(neurons)))


@dataclass(frozen=True)
class Scoring:
    """An IA method and its settings. `None` and "" stand for a setting that is not given.

    Attributes:
        method: its name, as `GetIndex` tells it.
        curvature: for methods that use one; may be left out where the index has one.
        damping: lambda of (H + lambda I)^-1, or LiSSA's own.
        lissa_scale: LiSSA's scale.
        lissa_depth: LiSSA's number of steps.
        seed: of what is drawn.
        settings: any other settings of the method, by name, as text.
        exact: False lets a structure of the index find the hits, True refuses one.
        approximate: the structure's name; the index chooses where it is empty.
    """

    method: str = "grad-dot"
    curvature: str = ""
    damping: float | None = None
    lissa_scale: float | None = None
    lissa_depth: int | None = None
    seed: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    exact: bool | None = None
    approximate: str = ""

    def __post_init__(self) -> None:
        """Refuse a setting that would stand twice.

        Raises:
            UsageError: `settings` holds one that has a field of its own.
        """
        if twice := [name for name in NAMED_SETTINGS if name in self.settings]:
            raise UsageError(f"settings: '{twice[0]}' is an argument of its own; give it as that", "settings")

    @property
    def given(self) -> dict[str, str | int | float]:
        """The method's settings that are given, by name."""
        named = {name: getattr(self, name) for name in NAMED_SETTINGS}
        return {**{name: value for name, value in named.items() if value not in (None, "")}, **self.settings}

    @property
    def short(self) -> str:
        """How an intervention names it: "ia:METHOD" or "ia:METHOD/CURVATURE"."""
        return f"ia:{self.method}" + (f"/{self.curvature}" if self.curvature else "")


METHODS = ("grad-dot", "grad-cos", "influence", "lissa", "tracin", "trak", "rep-sim", "bm25", "random")
"""Methods of instance attribution that attridex brings; `GetIndex` tells those of others too."""
NAMED_SETTINGS = ("curvature", "damping", "lissa_scale", "lissa_depth", "seed")
"""Settings that have a field of their own on the wire."""


@dataclass(frozen=True)
class AttributeInstancesRequest:
    """IA. `k` is 10 unless given, or all instances of a smaller index; `group` is a column whose instances are summed.

    With `allow_partial` an answer may be of fewer shards than there are, where others hold them and do not answer.
    """

    queries: tuple[Query, ...]
    scoring: Scoring = Scoring()
    k: int | None = None
    where: Filter | None = None
    label: LabelSource | None = None
    fields: tuple[str, ...] = ()
    ascending: bool = False
    index: str = ""
    group: str = ""
    allow_partial: bool = False


@dataclass(frozen=True)
class RankInstancesRequest:
    """IA in full: scores of all instances; `dtype` "float64" gives those of `AttributeInstancesRequest` to the bit."""

    queries: tuple[Query, ...]
    scoring: Scoring = Scoring()
    where: Filter | None = None
    label: LabelSource | None = None
    dtype: Precision = "float32"
    index: str = ""


@dataclass(frozen=True)
class AttributeNeuronsRequest:
    """NA; r = 0 gives all kept neurons, an empty method is the one that the index was built with."""

    queries: tuple[Query, ...]
    r: int = 20
    method: str = ""
    index: str = ""


@dataclass(frozen=True)
class FindInstancesByNeuronsRequest:
    """NA-Instances. `k` is 10 unless given, or all instances of a smaller index; `group` and `allow_partial` as of IA."""

    queries: tuple[Query, ...]
    r: int = 5
    k: int | None = None
    similarity: str = "dcns"
    where: Filter | None = None
    fields: tuple[str, ...] = ()
    index: str = ""
    group: str = ""
    allow_partial: bool = False


@dataclass(frozen=True)
class FindNeuronsByInstancesRequest:
    """IA-Neurons. `instances` is 10 unless given, or all of a smaller index; `allow_partial` as of IA."""

    queries: tuple[Query, ...]
    scoring: Scoring = Scoring()
    instances: int | None = None
    r: int = 10
    aggregate: str = "top-neuron"
    where: Filter | None = None
    label: LabelSource | None = None
    index: str = ""
    allow_partial: bool = False


@dataclass(frozen=True, init=False)
class Intervention:
    """Suppress or keep neurons at the position that the head reads: given ones, or the query's own top `r`.

    Attributes:
        mode: "suppress" or "keep".
        neurons: the neurons, or None for the query's own top `r`.
        scoring: whose instances give those neurons (IA-Neurons); None for NA.
        r: how many.
        name: returned with the answer; made from the rest where empty.
    """

    mode: Mode
    neurons: tuple[Neuron, ...] | None
    scoring: Scoring | None
    r: int
    name: str

    def __init__(
        self, mode: str, neurons: Iterable[NamedNeuron] | None = None, method: "str | Scoring" = "na", r: int = 0, name: str = ""
    ) -> None:
        """Name the neurons, or how they are found.

        Args:
            mode: "suppress" or "keep".
            neurons: the neurons, or None for the query's own top `r` by `method`.
            method: "na", an IA method for IA-Neurons as a `Scoring`, or in short "ia:METHOD" or "ia:METHOD/CURVATURE".
            r: how many.
            name: returned with the answer.

        Raises:
            UsageError: there is no such mode or method.
        """
        if mode not in MODES:
            raise UsageError(f"intervention mode '{mode}': use 'suppress' or 'keep'")
        named = None if neurons is None else as_neurons(neurons)
        scoring = parse_scoring(method) if isinstance(method, str) else method
        if scoring is not None and (scoring.exact is not None or scoring.approximate):
            raise UsageError("interventions: instances are found exactly here; leave exact and approximate away", "interventions")
        vars(self).update(mode=mode, neurons=named, scoring=scoring, r=r, name=name)  # it is frozen once it is made

    @classmethod
    def parse(cls, mode: str, text: str) -> Self:
        """Read "na:10", "ia:grad-dot:5", "3-17,5-2" or "3-2.17", as the command line has it.

        Raises:
            UsageError: it is none of these.
        """
        method, _, count = text.rpartition(":")
        if method and count.isdecimal() and (method == "na" or method.startswith("ia:")):
            return cls(mode, None, method, int(count), f"{mode} {text}")
        try:
            neurons = [Neuron.parse(each) for each in text.split(",")]
        except ValueError:
            raise UsageError(
                f"--{mode} {text}: write na:R, ia:METHOD[/CURVATURE]:R, or neurons as LAYER-UNIT,LAYER-UNIT "
                "(LAYER-EXPERT.UNIT of an expert)"
            ) from None
        return cls(mode, neurons, name=f"{mode} {text}")


def parse_scoring(method: str) -> Scoring | None:
    """How the instances are found whose neurons are meant: "ia:METHOD" or "ia:METHOD/CURVATURE"; None for "na".

    Raises:
        UsageError: it is neither.
    """
    kind, colon, named = method.partition(":")
    if method == "na":
        return None
    if kind != "ia" or not colon:
        raise UsageError(f"interventions: unknown method '{method}'; use 'na' or 'ia:METHOD[/CURVATURE]'", "interventions")
    name, _, curvature = named.partition("/")
    return Scoring(name, curvature)


@dataclass(frozen=True)
class PredictRequest:
    """Label probabilities under interventions."""

    queries: tuple[Query, ...]
    interventions: tuple[Intervention, ...] = ()
    index: str = ""


@dataclass(frozen=True)
class ComputeSignatureRequest:
    """What the index would store for a text."""

    queries: tuple[Query, ...]
    label: LabelSource | None = None
    index: str = ""


@dataclass(frozen=True)
class GetInstancesRequest:
    """Instances by id; all columns where no field is named."""

    ids: tuple[str, ...]
    fields: tuple[str, ...] = ()
    with_neurons: bool = False
    with_hidden: bool = False
    index: str = ""


@dataclass(frozen=True)
class ListInstancesRequest:
    """Instances page by page; `order_by` is a column, "-" before it for descending."""

    where: Filter | None = None
    order_by: str = "row"
    page_size: int = 100
    page_token: str = ""
    fields: tuple[str, ...] = ()
    index: str = ""


Request = (
    AttributeInstancesRequest | AttributeNeuronsRequest | FindInstancesByNeuronsRequest | FindNeuronsByInstancesRequest
    | PredictRequest
)  # fmt: skip
"""What a stream carries."""


def as_queries(queries: Iterable["Query | Mapping[str, Any]"]) -> tuple[Query, ...]:
    """Queries of a call; a plain dict is a record, one without an id is named after its place, as in a query file.

    Raises:
        UsageError: it is a single one, or holds something else.
    """
    if isinstance(queries, Query | Mapping | str):
        raise UsageError("queries: a list is needed, this is a single one", "queries")
    made = [query if isinstance(query, Query) else Query.record(query) for query in queries]
    return tuple(query if query.id else replace(query, id=f"query-{at}") for at, query in enumerate(made))


def as_label(label: str | None) -> LabelSource | None:
    """A label source.

    Raises:
        UsageError: there is no such one.
    """
    if label is None or label == "gold" or label == "predicted":
        return label  # type: ignore[return-value]
    raise UsageError(f"label = {label!r}: use 'gold' or 'predicted'", "label")


def as_precision(dtype: str) -> Precision:
    """An element type of scores.

    Raises:
        UsageError: there is no such one.
    """
    if dtype == "float32" or dtype == "float64":
        return dtype  # type: ignore[return-value]
    raise UsageError(f"dtype = {dtype!r}: use 'float32' or 'float64'", "dtype")


def as_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names of columns.

    Raises:
        UsageError: it is a single one.
    """
    if isinstance(names, str):
        raise UsageError(f"fields: a list is needed, this is the text {names!r}", "fields")
    return tuple(names)
