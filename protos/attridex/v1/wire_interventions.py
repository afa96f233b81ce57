"""Interventions to and from protobuf: their neurons are given, or found by a method that travels in short."""

from collections.abc import Mapping
from typing import Any

from attridex.v1 import attribution_pb2 as pb
from attridex.v1.errors import UsageError
from attridex.v1.requests import NAMED_SETTINGS, Intervention, Scoring, parse_scoring
from attridex.v1.wire_values import MODE_CODES, MODES, count_to_wire, neurons_from_wire, neurons_to_wire


def intervention_to_wire(intervention: Intervention) -> pb.Intervention:
    """An intervention."""
    mode: Any = MODE_CODES[intervention.mode]
    if intervention.neurons is not None:
        neurons = pb.NeuronSet(neurons=neurons_to_wire(intervention.neurons))
        return pb.Intervention(name=intervention.name, mode=mode, neurons=neurons)
    top = top_neurons(intervention.scoring, count_to_wire("r", intervention.r))
    return pb.Intervention(name=intervention.name, mode=mode, top=top)


def top_neurons(scoring: Scoring | None, r: int | None) -> pb.TopNeurons:
    """How an intervention's neurons are found: "na", or "ia:METHOD[/CURVATURE]" and the method's other settings as text."""
    if scoring is None:
        return pb.TopNeurons(method="na", r=r)
    settings = {name: str(value) for name, value in scoring.given.items() if name != "curvature"}
    return pb.TopNeurons(method=scoring.short, r=r, settings=settings)


def intervention_from_wire(message: pb.Intervention) -> Intervention:
    """An intervention.

    Raises:
        UsageError: its mode, its choice or its method is not set, or unknown.
    """
    choice = message.WhichOneof("choice")
    if message.mode not in MODES or choice is None:
        raise UsageError(f"interventions: '{message.name}' needs a mode (suppress or keep) and neurons or top", "interventions")
    mode = MODES[message.mode]
    if choice == "neurons":
        return Intervention(mode, neurons_from_wire(message.neurons.neurons), name=message.name)
    scoring = parse_scoring(message.top.method or "na")
    method = "na" if scoring is None else with_settings(scoring, message.top.settings)
    return Intervention(mode, None, method, message.top.r, message.name)


def with_settings(scoring: Scoring, settings: Mapping[str, str]) -> Scoring:
    """A scoring with settings as text; those that have fields of their own go there.

    Raises:
        UsageError: a number is none, or the curvature stands twice.
    """
    kinds = {"curvature": str, "damping": float, "lissa_scale": float, "lissa_depth": int, "seed": int}
    named: dict[str, Any] = {"curvature": scoring.curvature} if scoring.curvature else {}
    if named.keys() & settings.keys():
        raise UsageError(f"interventions: curvature is '{scoring.curvature}' and '{settings['curvature']}'", "interventions")
    for name in kinds.keys() & settings.keys():
        try:
            named[name] = kinds[name](settings[name])
        except ValueError:
            raise UsageError(f"{name} = {settings[name]!r}: a number is needed", name) from None
    others = {name: value for name, value in settings.items() if name not in NAMED_SETTINGS}
    return Scoring(scoring.method, settings=others, **named)
