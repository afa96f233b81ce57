"""Answers as frozen dataclasses, with tables on request."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from attridex.client.errors import MissingPackageError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class Neuron(NamedTuple):
    """An FFN neuron."""

    layer: int
    unit: int


@dataclass(frozen=True)
class Timings:
    """Seconds spent on a request: waiting for the model, model work, index work."""

    queue: float
    encode: float
    search: float


@dataclass(frozen=True)
class Info:
    """How an answer was made.

    Attributes:
        sign: what a positive score means.
        scale: the formula and unit of a score.
        exact: whether no approximation was used; else `recall` is the measured one, or `scale` says what was measured.
        structure: what found the hits, where they were found approximately.
    """

    index: str
    index_version: str
    method: str
    sign: str
    scale: str
    exact: bool
    recall: float | None
    timings: Timings
    curvature: str
    damping: float | None
    label: str | None
    structure: str = ""


@dataclass(frozen=True)
class Prediction:
    """The model's own answer; `label` is the one whose loss the gradient is of.

    For causal-lm, `predicted` is empty, `label` the target, `greedy` what the model would have said at its positions.
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
    """A retrieved training instance; rank from 1."""

    rank: int
    id: str
    row: int
    score: float
    fields: Mapping[str, Any] = field(default_factory=dict)
    shared: tuple[NeuronScore, ...] = ()


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
    mode: str
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


class Tabular:
    """An answer that can become a table, one row a hit."""

    def rows(self) -> Iterator[dict[str, Any]]:
        """Flat rows."""
        raise NotImplementedError

    def to_arrow(self) -> "pa.Table":
        """The answer as an Arrow table.

        Raises:
            MissingPackageError: pyarrow is not installed.
        """
        try:
            import pyarrow as pa
        except ModuleNotFoundError:
            raise MissingPackageError("to_arrow() needs pyarrow: pip install pyarrow") from None
        return pa.Table.from_pylist(list(self.rows()))

    def to_pandas(self) -> "pd.DataFrame":
        """The answer as a data frame.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ModuleNotFoundError:
            raise MissingPackageError("to_pandas() needs pandas: pip install pandas") from None
        return pd.DataFrame(list(self.rows()))


@dataclass(frozen=True)
class InstancesAnswer(Tabular):
    """Training instances for each query, in the order asked."""

    info: Info
    results: tuple[InstancesResult, ...]

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row a hit."""
        for result in self.results:
            for hit in result.hits:
                yield {
                    "query_id": result.query_id,
                    "rank": hit.rank,
                    "id": hit.id,
                    "row": hit.row,
                    "score": hit.score,
                    **hit.fields,
                }


@dataclass(frozen=True)
class NeuronsAnswer(Tabular):
    """Neurons for each query, in the order asked."""

    info: Info
    results: tuple[NeuronsResult, ...]

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row a neuron."""
        for result in self.results:
            for rank, neuron in enumerate(result.neurons, 1):
                yield {
                    "query_id": result.query_id,
                    "rank": rank,
                    "layer": neuron.layer,
                    "unit": neuron.unit,
                    "score": neuron.score,
                }


@dataclass(frozen=True)
class PredictAnswer(Tabular):
    """Probabilities for each query, in the order asked."""

    info: Info
    results: tuple[PredictResult, ...]

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row an intervention and label; the plain prediction has the name "baseline"."""
        for result in self.results:
            for name, probabilities in (
                ("baseline", result.baseline.probabilities),
                *((each.name, each.probabilities) for each in result.interventions),
            ):
                for label, probability in probabilities.items():
                    yield {"query_id": result.query_id, "intervention": name, "label": label, "probability": probability}


@dataclass(frozen=True)
class Signature:
    """What the index would store for a text; vectors are float32."""

    query_id: str
    prediction: Prediction
    gradient: NDArray[np.float32]
    neurons: tuple[NeuronScore, ...]
    hidden: NDArray[np.float32]
    activation: NDArray[np.float32]


@dataclass(frozen=True)
class SignatureAnswer:
    """Signatures in the order asked."""

    info: Info
    results: tuple[Signature, ...]


@dataclass(frozen=True)
class Instance:
    """A training instance with the asked columns; `hidden` is the state that the head reads, where asked for."""

    id: str
    row: int
    fields: Mapping[str, Any]
    neurons: tuple[NeuronScore, ...] = ()
    hidden: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Page:
    """A page of training instances; `total` counts all that the filter lets through."""

    index_version: str
    instances: tuple[Instance, ...]
    next_page_token: str
    total: int


@dataclass(frozen=True)
class IndexInfo:
    """What an index holds and can answer."""

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
