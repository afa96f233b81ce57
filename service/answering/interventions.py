"""What an intervention is called, and what came of it."""

from typing import TYPE_CHECKING

import numpy as np

from attridex.service.methods.reader import Asked
from attridex.service.requests import Intervention, InterventionResult

if TYPE_CHECKING:
    from attridex.indexer.signing.edits import EditedOutputs


def intervention_name(intervention: Intervention) -> str:
    """A name for an intervention that has none."""
    if intervention.neurons is None:
        return f"{intervention.mode} {intervention.method}:{intervention.r}"
    return f"{intervention.mode} {','.join(f'{layer}-{unit_number}' for layer, unit_number in intervention.neurons)}"


def edited_result(
    one: Asked,
    intervention: Intervention,
    neurons: tuple[tuple[int, int], ...],
    edited: "EditedOutputs",
    row: int,
) -> InterventionResult:
    """What the model says under one intervention: row `row` of what was computed."""
    outputs = one.signature.outputs if one.signature else ()
    p = edited.probabilities[row]
    return InterventionResult(
        intervention.name or intervention_name(intervention),
        intervention.mode,
        outputs[int(np.argmax(p))] if edited.greedy is None else "",
        tuple(zip(outputs, map(float, p), strict=True)),
        neurons,
        edited.greedy[row] if edited.greedy else "",
    )
