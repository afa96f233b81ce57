"""Requests and answers of the use cases, as plain dataclasses: what `attribution` takes and gives.

They mirror the messages of `attribution.proto`; `convert` maps the two, and nothing here knows of gRPC.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
LabelSource = Literal["gold", "predicted"]
Result = TypeVar("Result")
Checkpoint = Callable[[], None]
"""Called between blocks of work; raises CancelledError once the caller has gone or its deadline has passed."""


def never_cancelled() -> None:
    """The checkpoint of a caller that waits."""


@dataclass(frozen=True)
class Query:
    """What is asked about: exactly one of the four sources is set."""

    id: str = ""
    record: Mapping[str, Any] | None = None
    instance_id: str | None = None
    vector: Float32 | None = None
    neurons: tuple[tuple[int, int], ...] | None = None


@dataclass(frozen=True)
class Condition:
    """A node of a filter: `kind` is and, or, not, compare, in, null or like.

    `operator` is one of = != < <= > >= (for compare); `values` holds the literals.
    """

    kind: Literal["and", "or", "not", "compare", "in", "null", "like"]
    children: tuple["Condition", ...] = ()
    column: str = ""
    operator: str = ""
    values: tuple[str | int | float | bool, ...] = ()


@dataclass(frozen=True)
class Scoring:
    """An IA method and its settings. `None` means the default that the proto states."""

    method: str = "grad-dot"
    curvature: str = ""
    damping: float | None = None
    lissa_scale: float | None = None
    lissa_depth: int | None = None
    seed: int | None = None
    exact: bool | None = None
    approximate: str = ""


@dataclass(frozen=True)
class InstancesRequest:
    """IA."""

    queries: tuple[Query, ...]
    scoring: Scoring = Scoring()
    k: int = 10
    where: Condition | None = None
    label: LabelSource | None = None
    fields: tuple[str, ...] = ()
    ascending: bool = False


@dataclass(frozen=True)
class NeuronsRequest:
    """NA; r = 0 gives all kept neurons, an empty method is the one that the index was built with."""

    queries: tuple[Query, ...]
    r: int = 20
    method: str = ""


@dataclass(frozen=True)
class NaInstancesRequest:
    """NA-Instances."""

    queries: tuple[Query, ...]
    r: int = 5
    k: int = 10
    similarity: str = "dcns"
    where: Condition | None = None
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class IaNeuronsRequest:
    """IA-Neurons."""

    queries: tuple[Query, ...]
    scoring: Scoring = Scoring()
    instances: int = 10
    r: int = 10
    aggregate: str = "top-neuron"
    where: Condition | None = None
    label: LabelSource | None = None


@dataclass(frozen=True)
class Intervention:
    """Suppress or keep neurons: given ones, or the query's own top `r` by `method` ("na" or "ia:METHOD[/CURVATURE]")."""

    mode: Literal["suppress", "keep"]
    neurons: tuple[tuple[int, int], ...] | None = None
    method: str = "na"
    r: int = 0
    name: str = ""

    @property
    def scoring(self) -> Scoring | None:
        """How the instances are found whose neurons are meant; None for any other method."""
        kind, _, named = self.method.partition(":")
        method, _, curvature = named.partition("/")
        return Scoring(method, curvature) if kind == "ia" else None


@dataclass(frozen=True)
class PredictRequest:
    """Label probabilities under interventions."""

    queries: tuple[Query, ...]
    interventions: tuple[Intervention, ...] = ()


@dataclass(frozen=True)
class SignatureRequest:
    """What the index would store for a text."""

    queries: tuple[Query, ...]
    label: LabelSource | None = None


@dataclass(frozen=True)
class ListRequest:
    """Instances page by page; `order_by` is a column, "-" before it for descending."""

    where: Condition | None = None
    order_by: str = "row"
    page_size: int = 100
    page_token: str = ""
    fields: tuple[str, ...] = ()


@dataclass
class Timings:
    """Seconds, summed up while a request is answered."""

    queue: float = 0.0
    encode: float = 0.0
    search: float = 0.0


@dataclass(frozen=True)
class Info:
    """How an answer was made."""

    index_version: str
    method: str
    sign: str = ""
    scale: str = ""
    exact: bool = True
    recall: float | None = None
    structure: str = ""
    timings: Timings = field(default_factory=Timings)
    curvature: str = ""
    damping: float | None = None
    label: LabelSource | None = None
    index: str = ""


@dataclass(frozen=True)
class Prediction:
    """The model's own answer to a query; `label` is the one whose loss the gradient is of; `greedy` for causal-lm."""

    predicted: str
    label: str
    loss: float
    probabilities: tuple[tuple[str, float], ...]
    greedy: str = ""


@dataclass(frozen=True)
class NeuronScore:
    """A neuron with its score; `instance_ids` for IA-Neurons."""

    layer: int
    unit: int
    score: float
    instance_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class InstanceHit:
    """A retrieved training instance; rank from 1."""

    rank: int
    id: str
    row: int
    score: float
    fields: Mapping[str, Any] = field(default_factory=dict)
    shared: tuple[NeuronScore, ...] = ()


@dataclass(frozen=True)
class InstancesResult:
    """Hits of one query; `neurons` are the query's, for NA-Instances."""

    query_id: str
    prediction: Prediction | None
    hits: tuple[InstanceHit, ...]
    neurons: tuple[NeuronScore, ...] = ()


@dataclass(frozen=True)
class NeuronsResult:
    """Neurons of one query."""

    query_id: str
    prediction: Prediction | None
    neurons: tuple[NeuronScore, ...]


@dataclass(frozen=True)
class InterventionResult:
    """Probabilities under one intervention."""

    name: str
    mode: Literal["suppress", "keep"]
    predicted: str
    probabilities: tuple[tuple[str, float], ...]
    neurons: tuple[tuple[int, int], ...]
    greedy: str = ""


@dataclass(frozen=True)
class PredictResult:
    """Probabilities of one query, plain and under each intervention."""

    query_id: str
    baseline: Prediction
    interventions: tuple[InterventionResult, ...]


@dataclass(frozen=True)
class SignatureResult:
    """What the index would store for one query."""

    query_id: str
    prediction: Prediction
    gradient: Float32
    neurons: tuple[NeuronScore, ...]
    hidden: Float32
    activation: Float32


@dataclass(frozen=True)
class Instance:
    """A training instance with the asked columns."""

    id: str
    row: int
    fields: Mapping[str, Any]
    neurons: tuple[NeuronScore, ...] = ()
    hidden: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Answer(Generic[Result]):
    """Results in the order of the request's queries."""

    info: Info
    results: tuple[Result, ...]


@dataclass(frozen=True)
class Page:
    """A page of instances; `total` counts all that the filter lets through."""

    index_version: str
    instances: tuple[Instance, ...]
    next_page_token: str
    total: int


@dataclass(frozen=True)
class IndexDescription:
    """What `GetIndex` says of an index."""

    name: str
    version: str
    instances: int
    task: str
    labels: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    methods: tuple[str, ...]
    curvatures: tuple[str, ...]
    gradient_dim: int
    layers: int
    units: int
    site: str
    has_model: bool
    manifest: str
