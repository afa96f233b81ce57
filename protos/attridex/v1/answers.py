"""Answers as frozen dataclasses: the plain form of the messages of `attribution.proto`, with tables on request.

Nothing here knows of protobuf; `codec` maps the two. The service makes these, the client gives them to its caller.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from attridex.v1.errors import MissingPackageError
from attridex.v1.requests import LabelSource, Mode, Neuron

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Float32 = NDArray[np.float32]
Row = dict[str, Any]
"""A line of a table: values by the names of their columns."""


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

    @property
    def neuron(self) -> Neuron:
        """(layer, unit)."""
        return Neuron(self.layer, self.unit)


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


@contextmanager
def needing(package: str, what: str) -> Iterator[None]:
    """An import of a package that may not be there."""
    try:
        yield
    except ModuleNotFoundError:
        raise MissingPackageError(f"{what} needs {package}: pip install {package}") from None


def beside(own: Row, columns: Mapping[str, Any]) -> Row:
    """A hit's own values and the columns of its instance; "fields." stands before a column that has the name of another value."""
    return own | {f"fields.{name}" if name in own and own[name] != value else name: value for name, value in columns.items()}


def within_64_bits(rows: Sequence[Row]) -> Sequence[Row]:
    """Rows for Arrow, whose columns of whole numbers are decimals where one needs more than 64 bits."""
    wide = {name for row in rows for name, value in row.items() if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63}
    if not wide:
        return rows
    return [{key: Decimal(v) if key in wide and isinstance(v, int) else v for key, v in row.items()} for row in rows]


class Tabular:
    """An answer that can become a table, one row a hit."""

    def rows(self) -> Iterator[Row]:
        """Flat rows."""
        raise NotImplementedError

    def to_arrow(self) -> "pa.Table":
        """The answer as an Arrow table.

        Raises:
            MissingPackageError: pyarrow is not installed.
        """
        with needing("pyarrow", "to_arrow()"):
            import pyarrow as pa
        return pa.Table.from_pylist(within_64_bits(list(self.rows())))

    def to_pandas(self) -> "pd.DataFrame":
        """The answer as a data frame.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        with needing("pandas", "to_pandas()"):
            import pandas as pd
        return pd.DataFrame(list(self.rows()))


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
        """One row a neuron."""
        return (
            {"query_id": each.query_id, "rank": rank, "layer": one.layer, "unit": one.unit, "score": one.score}
            for each in self.results
            for rank, one in enumerate(each.neurons, 1)
        )


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
        has_model: False where only look-ups by instance id, vector and neurons are answered.
        manifest: of the served version.
        method_details: every method that the server knows; empty where it is older than they are.
        own_columns: columns that are attridex's own, not the corpus's.
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
