"""Checks of a request against an index version: everything that can be refused is refused before work starts."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from attridex.indexer.errors import nearest
from attridex.indexer.task_kinds import LANGUAGE_TASKS
from attridex.service.errors import InvalidArgumentError, NotIndexedError
from attridex.service.search.planner import check_column
from attridex.service.storage.version import IndexVersion
from attridex.v1.neurons import Neuron, NeuronLayout
from attridex.v1.requests import HITS, LabelSource, Query

Kind = TypeVar("Kind")


def choose(field: str, name: str, known: Mapping[str, Kind]) -> Kind:
    """What a name stands for.

    Raises:
        InvalidArgumentError: there is no such name.
    """
    if name not in known:
        raise InvalidArgumentError(f"{field}: unknown '{name}'; {nearest(name, known)}", field)
    return known[name]


def hits_wanted(version: IndexVersion, k: int | None, field: str = "k") -> int:
    """The number of hits: 10 unless given, or all instances of a smaller index.

    Raises:
        InvalidArgumentError: more than the index can give, or none.
    """
    k = min(HITS, version.live) if k is None else k
    if not 1 <= k <= version.live:
        raise InvalidArgumentError(f"{field} = {k}: must be 1 to {version.live}, the number of instances", field)
    return k


def check_r(version: IndexVersion, r: int) -> None:
    """Refuse a number of neurons that the model cannot give."""
    most = layout_of(version).size
    if not most:
        check_neurons(version)
    if not 0 <= r <= most:
        raise InvalidArgumentError(f"r = {r}: must be 0 to {most}, the number of neurons", "r")


def check_fields(version: IndexVersion, fields: Sequence[str]) -> None:
    """Refuse unknown columns."""
    for name in fields:
        check_column(version.manifest, name, "fields")


def check_label(version: IndexVersion, label: LabelSource) -> None:
    """Refuse the predicted label where there is none."""
    task = version.manifest.task
    if label == "predicted" and task in LANGUAGE_TASKS:
        raise InvalidArgumentError(f"label = 'predicted': {task} has no predicted label, its loss is the target's", "label")
    if label == "predicted" and task == "regression":
        raise InvalidArgumentError("label = 'predicted': the squared error of a regression's own prediction is 0", "label")


def check_choices(version: IndexVersion, query: Query, name: str, *, neurons: bool) -> None:
    """Refuse what a query chooses that means nothing for it.

    Args:
        version: the index.
        query: the query.
        name: what it is called in errors.
        neurons: whether neurons are asked for.
    """
    task, labels = version.manifest.task, version.manifest.model.labels
    if query.output and (not neurons or query.kind not in ("record", "instance_id")):
        raise InvalidArgumentError(f"query '{name}': output: only the neurons of a text are scored for an output", "queries")
    if query.output and (task in LANGUAGE_TASKS or (labels and query.output not in labels)):
        known = nearest(query.output, labels) if labels else f"{task} explains its target"
        raise InvalidArgumentError(f"query '{name}': output '{query.output}': {known}", "queries")
    if query.max_new_tokens and (task not in LANGUAGE_TASKS or query.kind != "record"):
        raise InvalidArgumentError(f"query '{name}': max_new_tokens: only a language model goes on from a record", "queries")


def check_gold(version: IndexVersion, label: str | None, name: str) -> None:
    """Refuse a text without a label where a missing one cannot be the predicted one."""
    if label is None and version.manifest.task == "regression":
        column = version.manifest.config.corpus.label
        raise InvalidArgumentError(
            f"query '{name}': missing column '{column}' (corpus.label); a regression's gradient needs a number", "queries"
        )


def check_vector(version: IndexVersion, vector: NDArray[np.float32], name: str) -> None:
    """Refuse a vector of another size, or with numbers that are none."""
    dim = version.manifest.gradient_dim
    if vector.shape != (dim,):
        raise InvalidArgumentError(f"query '{name}': a vector of {vector.size} elements; this index has {dim}", "queries")
    if not np.isfinite(vector).all():
        raise InvalidArgumentError(f"query '{name}': the vector holds NaN or infinity", "queries")


def check_neuron_ids(version: IndexVersion, neurons: Sequence[Neuron], whose: str, field: str = "queries") -> None:
    """Refuse neurons that the model does not have.

    Args:
        version: the index.
        neurons: the neurons.
        whose: the query or intervention, in words.
        field: the request's field to blame.
    """
    layout = layout_of(version)
    if not neurons:
        raise InvalidArgumentError(f"{whose}: no neurons given", field)
    for neuron in neurons:
        if not layout.has(neuron):
            raise InvalidArgumentError(f"{whose}: neuron {neuron.name}: there are {layout.words}, from 0", field)


def layout_of(version: IndexVersion) -> NeuronLayout:
    """The neurons of an index's model."""
    model = version.manifest.model
    shared, dense = tuple(model.shared_units), tuple(model.dense_layers)
    return NeuronLayout(model.layers, model.units, model.experts, model.expert_units, shared, dense)


def check_neurons(version: IndexVersion) -> None:
    """Refuse a neuron query to an index without neurons."""
    if not version.manifest.neurons and not version.manifest.model.units:
        raise NotIndexedError("the index was built without neurons; none were found in its model")
    if not version.manifest.neurons:
        raise NotIndexedError("the index was built without neurons; build with neurons.enabled = true")
