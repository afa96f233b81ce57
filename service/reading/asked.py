"""A query made ready, and its vectors and neurons, from the model or as the index stored them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from attridex.service.errors import InvalidArgumentError, ServiceError
from attridex.service.reading.checks import layout_of
from attridex.service.search.postings import Weighted, kept_neurons
from attridex.service.storage.version import IndexVersion
from attridex.v1.answers import NeuronScore
from attridex.v1.exact_values import InexactNumber, through_doubles
from attridex.v1.neurons import Neuron
from attridex.v1.requests import NeuronsSource, Query, VectorSource

if TYPE_CHECKING:
    from attridex.indexer.corpus.instances import RenderedInstance
    from attridex.indexer.signing.signature import Signature

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Asked:
    """A query made ready: its signature where it is a text, its row where it is a training instance.

    Attributes:
        name: what it is called in errors.
        instance: the text as the model reads it, where it was signed.
    """

    query: Query
    name: str
    row: int | None = None
    signature: "Signature | None" = None
    instance: "RenderedInstance | None" = None

    @property
    def stored_row(self) -> int:
        """Row of the training instance that is asked about.

        Raises:
            ServiceError: it is none, so that nothing may be answered from a row.
        """
        if self.row is None:
            raise ServiceError(f"query '{self.name}': neither signed nor stored")
        return self.row


def record_of(version: IndexVersion, values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A query's record, its numbers as the rules of the index read them.

    Args:
        version: the index; by its rules of number 1 a record's numbers were what a Struct makes of them.
        values: of the record.
        name: of the query, for errors.

    Raises:
        InvalidArgumentError: a text is a whole number beyond 2^53 that came as a double, so that its digits are not known.
    """
    if version.manifest.config.corpus.rendering == 1:
        return dict(through_doubles(dict(values)))
    for field in version.manifest.corpus.shown_columns:
        if isinstance(values.get(field), InexactNumber):
            raise InvalidArgumentError(
                f"query '{name}': column '{field}' came as the double {values[field]!r}, in which whole numbers beyond 2^53 are "
                "not exact; give it as text, or the record as record_json",
                "queries",
            )
    return values


def gradient_of(version: IndexVersion, one: Asked) -> Float64:
    """A query's vector in the stored space [d]."""
    if isinstance(one.query.source, VectorSource):
        return one.query.source.values.astype(np.float64)
    if one.signature is not None and one.signature.gradient is not None:
        return one.signature.gradient.astype(np.float64)
    return version.vector(version.gradients, one.stored_row)


def neurons_of(version: IndexVersion, one: Asked, most: int | None = None) -> list[Weighted]:
    """The neurons that a query names, or else keeps, in descending score; `most` at most."""
    layout = layout_of(version)
    if isinstance(one.query.source, NeuronsSource):
        named = dict.fromkeys(one.query.source.neurons)
        return [Weighted(layout.number(neuron), 0.0) for neuron in named][:most]
    if one.signature is not None:
        return [Weighted(layer * layout.units + unit, score) for layer, unit, score in one.signature.top(0)[:most]]
    return kept_neurons(version, one.stored_row, most)


def as_scores(version: IndexVersion, neurons: Sequence[Weighted]) -> tuple[NeuronScore, ...]:
    """Neuron ids with scores, by name."""
    layout = layout_of(version)
    return tuple(named_score(layout.neuron(neuron), score) for neuron, score in neurons)


def named_score(neuron: Neuron, score: float, instance_ids: tuple[str, ...] = ()) -> NeuronScore:
    """A neuron's score, with the instances that gave it."""
    return NeuronScore(neuron.layer, neuron.unit, score, instance_ids, neuron.expert)
