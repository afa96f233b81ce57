"""Answers as frozen dataclasses: the plain form of the messages of `attribution.proto`, with tables on request.

Nothing here knows of protobuf; `codec` maps the two. The service makes these, the client gives them to its caller.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attridex.v1.limits import Limits
from attridex.v1.neurons import Neuron, NeuronLayout
from attridex.v1.requests import LabelSource, Mode
from attridex.v1.tabular import Row, Tabular, beside

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Timings:
    """Seconds spent on a request: waiting for the model, model work (0 when all came from the cache), index work."""

    queue: float = 0.0
    encode: float = 0.0
    search: float = 0.0


@dataclass(frozen=True)
class Info:
    """How an answer was made.

    Attributes:
        sign: what a positive score means.
        scale: the formula and unit of a score.
        exact: whether no approximation was used; else `recall` is the measured one, or `scale` says what was measured.
        recall: measured recall@10 of the approximate path.
        curvature: what the method used, with its damping.
        label: whose loss the query gradients were taken of.
        structure: what found the hits, where they were found approximately.
        stale: what of the answer was taken of other instances than those that are live now, until the index is refreshed:
            "curvature", "bm25", "approximate".
        shards_ok: shards of the index that the answer is of: all, unless the request allowed fewer.
        shards_total: shards that it has.
    """

    index: str
    index_version: str
    method: str
    sign: str
    scale: str
    exact: bool = True
    recall: float | None = None
    timings: Timings = Timings()
    curvature: str = ""
    damping: float | None = None
    label: LabelSource | None = None
    structure: str = ""
    stale: tuple[str, ...] = ()
    shards_ok: int = 0
    shards_total: int = 0

    @property
    def partial(self) -> bool:
        """Whether instances may be missing that should be in the answer: some shards did not answer."""
        return self.shards_ok < self.shards_total


@dataclass(frozen=True)
class Prediction:
    """The model's own answer; `label` is the one whose loss the gradient is of.

    For causal-lm, `predicted` is empty, `label` the target, `greedy` what the model would have said at its positions.
    Probabilities are in the order of the model's outputs; the loss is in nats.
    """

    predicted: str
    label: str
    loss: float
    probabilities: Mapping[str, float]
    greedy: str = ""


@dataclass(frozen=True)
class NeuronScore:
    """A neuron with its score; for IA-Neurons with the instances that gave it."""

    layer: int
    unit: int
    score: float
    instance_ids: tuple[str, ...] = ()
    expert: int | None = None

    @property
    def neuron(self) -> Neuron:
        """(layer, unit, expert)."""
        return Neuron(self.layer, self.unit, self.expert)

    @property
    def place(self) -> Mapping[str, int]:
        """The parts of its name: layer, expert where it has one, and unit."""
        return {"layer": self.layer, **({} if self.expert is None else {"expert": self.expert}), "unit": self.unit}


@dataclass(frozen=True)
class InstanceHit:
    """A retrieved training instance; rank from 1. For NA-Instances with the query's neurons that it shares.

    Where instances were grouped, a group: `id` is the column's value, `instances` how many were summed, `best` the id of the one
    that scores highest, whose row and fields these are.
    """

    rank: int
    id: str
    row: int
    score: float
    fields: Mapping[str, Any] = field(default_factory=dict)
    shared: tuple[NeuronScore, ...] = ()
    instances: int = 0
    best: str = ""


@dataclass(frozen=True)
class InstancesResult:
    """Hits of one query; for NA-Instances with the query's neurons."""

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
    mode: Mode
    predicted: str
    probabilities: Mapping[str, float]
    neurons: tuple[Neuron, ...]
    greedy: str = ""


@dataclass(frozen=True)
class PredictResult:
    """Probabilities of one query, plain and under each intervention."""

    query_id: str
    baseline: Prediction
    interventions: tuple[InterventionResult, ...]


@dataclass(frozen=True, eq=False)
class Signature:
    """What the index would store for a text: gradient [d], kept neurons, state [h], activations [s], all float32."""

    query_id: str
    prediction: Prediction
    gradient: Float32
    neurons: tuple[NeuronScore, ...]
    hidden: Float32
    activation: Float32


@dataclass(frozen=True)
class InstancesAnswer(Tabular):
    """Training instances for each query, in the order asked."""

    info: Info
    results: tuple[InstancesResult, ...]

    def rows(self) -> Iterator[Row]:
        """One row a hit."""
        return (
            beside({"query_id": each.query_id, "rank": hit.rank, "id": hit.id, "row": hit.row, "score": hit.score}, hit.fields)
            for each in self.results
            for hit in each.hits
        )


@dataclass(frozen=True)
class NeuronsAnswer(Tabular):
    """Neurons for each query, in the order asked."""

    info: Info
    results: tuple[NeuronsResult, ...]

    def rows(self) -> Iterator[Row]:
        """One row a neuron; every row has a column for the expert where any neuron has one."""
        experts = any(one.expert is not None for each in self.results for one in each.neurons)
        return (
            {
                "query_id": each.query_id, "rank": rank, "layer": one.layer, **({"expert": one.expert} if experts else {}),
                "unit": one.unit, "score": one.score,
            }
            for each in self.results
            for rank, one in enumerate(each.neurons, 1)
        )  # fmt: skip


@dataclass(frozen=True)
class PredictAnswer(Tabular):
    """Probabilities for each query, in the order asked."""

    info: Info
    results: tuple[PredictResult, ...]

    def rows(self) -> Iterator[Row]:
        """One row an intervention and label; the plain prediction has the name "baseline"."""
        for result in self.results:
            for name, probabilities in (
                ("baseline", result.baseline.probabilities),
                *((each.name, each.probabilities) for each in result.interventions),
            ):
                for label, probability in probabilities.items():
                    yield {"query_id": result.query_id, "intervention": name, "label": label, "probability": probability}


@dataclass(frozen=True)
class SignatureAnswer:
    """Signatures in the order asked."""

    info: Info
    results: tuple[Signature, ...]


Answer = InstancesAnswer | NeuronsAnswer | PredictAnswer
"""What a stream carries back."""


@dataclass(frozen=True)
class Instance:
    """A training instance with the asked columns; `hidden` is the state that the head reads [h], where asked for."""

    id: str
    row: int
    fields: Mapping[str, Any]
    neurons: tuple[NeuronScore, ...] = ()
    hidden: Float32 | None = None


@dataclass(frozen=True)
class Instances:
    """Training instances by id, in the order asked."""

    index_version: str
    instances: tuple[Instance, ...]


@dataclass(frozen=True)
class Page:
    """A page of training instances; `total` counts all that the filter lets through."""

    index_version: str
    instances: tuple[Instance, ...]
    next_page_token: str
    total: int


@dataclass(frozen=True)
class Setting:
    """A setting of a method.

    Attributes:
        name: what it is given by: `--set NAME=VALUE`, or an option of its own.
        meaning: what it does.
        kind: "number", "count" or "text".
        default: as text; empty where index or query decide.
        least: the smallest that is taken, if there is one.
        most: the largest.
        choices: what a text may be; anything where empty.
        above: a bound that all values are above, if there is one.
    """

    name: str
    meaning: str
    kind: str
    default: str = ""
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    above: float | None = None


@dataclass(frozen=True)
class Method:
    """A method of instance attribution, as the server knows it.

    Attributes:
        summary: what it does, in a line.
        sign: what a positive score means, for the index's task.
        scale: formula and unit of a score.
        settings: what can be set.
        sources: what can be asked about: "record", "instance_id", "vector".
        missing: what the index would have to be built with; empty where it can answer.
        compared: whether studies compare it unasked.
        baseline: whether it knows nothing of the model, and is drawn as what others are held against.
    """

    name: str
    summary: str
    sign: str
    scale: str
    settings: tuple[Setting, ...] = ()
    sources: tuple[str, ...] = ()
    missing: str = ""
    compared: bool = True
    baseline: bool = False

    def has(self, setting: str) -> bool:
        """Whether it can be set so."""
        return any(each.name == setting for each in self.settings)


@dataclass(frozen=True)
class IndexInfo:
    """What an index holds and can answer.

    Attributes:
        instances: those that answers can hold, all but deleted ones.
        columns: DuckDB type of each column.
        methods: names of the IA methods that it can answer.
        units: FFN units of a layer, those of all its experts counted.
        has_model: False where only look-ups by instance id, vector and neurons are answered.
        manifest: of the served version.
        method_details: every method that the server knows; empty where it is older than they are.
        own_columns: columns that are attridex's own, not the corpus's.
        experts: of a layer; 0 where there are none.
        expert_units: units of one expert.
        shared_units: see `NeuronLayout`.
        dense_layers: see `NeuronLayout`.
        watch_seconds: within which the server follows a new version by itself; 0 where it waits for a reload.
        problem: what is wrong with the index on the server's disk; empty where nothing is known.
        limits: of the server; None in this process, where nothing is refused.
        stale: what was taken of other instances than those that are live now, until the index is refreshed: "curvature",
            "neuron_statistics", "bm25", "approximate".
    """

    name: str
    version: str
    instances: int
    task: str
    labels: tuple[str, ...]
    columns: Mapping[str, str]
    methods: tuple[str, ...]
    curvatures: tuple[str, ...]
    gradient_dim: int
    layers: int
    units: int
    site: str
    has_model: bool
    manifest: Mapping[str, Any]
    method_details: tuple[Method, ...] = ()
    own_columns: tuple[str, ...] = ()
    experts: int = 0
    expert_units: int = 0
    shared_units: tuple[int, ...] = ()
    dense_layers: tuple[int, ...] = ()
    watch_seconds: float = 0.0
    problem: str = ""
    limits: Limits | None = None
    stale: tuple[str, ...] = ()

    @property
    def layout(self) -> NeuronLayout:
        """The neurons of its model."""
        return NeuronLayout(self.layers, self.units, self.experts, self.expert_units, self.shared_units, self.dense_layers)
