"""Checks of a request against an index version: everything that can be refused is refused before work starts."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from attridex.service.errors import InvalidArgumentError
from attridex.service.methods import meanings as methods
from attridex.service.requests import Intervention, LabelSource
from attridex.service.search.planner import check_column
from attridex.service.storage.version import IndexVersion


def check_k(version: IndexVersion, k: int, field: str = "k") -> None:
    """Refuse a number of hits that the index cannot give."""
    if not 1 <= k <= version.live:
        raise InvalidArgumentError(f"{field} = {k}: must be 1 to {version.live}, the number of instances", field)


def check_r(version: IndexVersion, r: int) -> None:
    """Refuse a number of neurons that the model cannot give."""
    most = version.manifest.model.layers * version.manifest.model.units
    if not 0 <= r <= most:
        raise InvalidArgumentError(f"r = {r}: must be 0 to {most}, the number of neurons", "r")


def check_fields(version: IndexVersion, fields: Sequence[str]) -> None:
    """Refuse unknown columns."""
    for name in fields:
        check_column(version.manifest, name, "fields")


def check_label(version: IndexVersion, label: LabelSource) -> None:
    """Refuse the predicted label where there is none."""
    if label == "predicted" and version.manifest.task == "causal-lm":
        raise InvalidArgumentError("label = 'predicted': causal-lm has no predicted label, its loss is the target's", "label")


def check_vector(version: IndexVersion, vector: NDArray[np.float32], name: str) -> None:
    """Refuse a vector of another size, or with numbers that are none."""
    dim = version.manifest.gradient_dim
    if vector.shape != (dim,):
        raise InvalidArgumentError(f"query '{name}': a vector of {vector.size} elements; this index has {dim}", "queries")
    if not np.isfinite(vector).all():
        raise InvalidArgumentError(f"query '{name}': the vector holds NaN or infinity", "queries")


def check_neuron_ids(version: IndexVersion, neurons: Sequence[tuple[int, int]], whose: str, field: str = "queries") -> None:
    """Refuse neurons that the model does not have; `whose` names the query or intervention."""
    model = version.manifest.model
    if not neurons:
        raise InvalidArgumentError(f"{whose}: no neurons given", field)
    for layer, unit_number in neurons:
        if not (0 <= layer < model.layers and 0 <= unit_number < model.units):
            raise InvalidArgumentError(
                f"{whose}: neuron {layer}-{unit_number}: there are {model.layers} layers of {model.units} units, from 0", field
            )


def check_intervention(version: IndexVersion, intervention: Intervention) -> None:
    """Refuse an intervention that cannot be carried out."""
    if intervention.neurons is not None:
        if intervention.neurons:
            check_neuron_ids(version, intervention.neurons, f"intervention '{intervention.name}'", "interventions")
        return
    check_r(version, intervention.r)
    if intervention.method == "na":
        return
    scoring = intervention.scoring
    if scoring is None:
        raise InvalidArgumentError(
            f"interventions: unknown method '{intervention.method}'; use 'na' or 'ia:METHOD[/CURVATURE]'",
            "interventions",
        )
    method, curvature = scoring.method, scoring.curvature
    methods.check_choice("interventions", method, methods.INSTANCE_METHODS)
    methods.check_indexed(version.manifest, method)
    known = methods.curvatures_of(version.manifest)
    if method in ("influence", "lissa") and not curvature and len(known) > 1:
        raise InvalidArgumentError(
            f"interventions: '{method}' can use {', '.join(known)} here; name one: 'ia:{method}/{known[0]}'", "interventions"
        )
    if method in ("influence", "lissa"):
        methods.check_curvature(version.manifest, method, curvature)
    elif curvature:
        raise InvalidArgumentError(f"interventions: method '{method}' has no curvature", "interventions")
