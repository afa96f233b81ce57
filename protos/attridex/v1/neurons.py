"""Neurons by name, and their numbers: where a layer's FFN units stand, those of its experts first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import index
from typing import Self

from attridex.v1.errors import UsageError


class Neuron(tuple[int, ...]):
    """An FFN neuron, all of it counted from 0: the pair (layer, unit), of an expert (layer, unit, expert)."""

    __slots__ = ()

    def __new__(cls, layer: int, unit: int, expert: int | None = None) -> Self:
        """Name a neuron.

        Args:
            layer: of the model.
            unit: of the layer's FFN, or of the expert.
            expert: of a mixture of experts; None for an FFN that every token passes.
        """
        return super().__new__(cls, (layer, unit) if expert is None else (layer, unit, expert))

    def __getnewargs__(self) -> tuple[int, ...]:
        """What a copy is made from."""
        return tuple(self)

    def __repr__(self) -> str:
        """As it is made."""
        own = "" if self.expert is None else f", expert={self.expert}"
        return f"Neuron(layer={self.layer}, unit={self.unit}{own})"

    @property
    def layer(self) -> int:
        """Of the model."""
        return self[0]

    @property
    def unit(self) -> int:
        """Of the layer's FFN, or of the expert."""
        return self[1]

    @property
    def expert(self) -> int | None:
        """Of a mixture of experts; None for an FFN that every token passes."""
        return self[2] if len(self) > 2 else None

    @property
    def name(self) -> str:
        """As the command line has it: LAYER-UNIT, or LAYER-EXPERT.UNIT."""
        return f"{self.layer}-{self.unit}" if self.expert is None else f"{self.layer}-{self.expert}.{self.unit}"

    @property
    def numbers(self) -> list[int]:
        """As JSON has it: [layer, unit], or [layer, unit, expert]."""
        return list(self)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "3-17" or "3-2.17".

        Raises:
            ValueError: it is neither.
        """
        layer, dash, place = text.strip().partition("-")
        expert, dot, unit = place.rpartition(".")
        parts = (layer, unit, expert) if dot else (layer, unit)
        if not dash or not all(part.isascii() and part.isdecimal() for part in parts):
            raise ValueError(f"'{text}' is no neuron; write LAYER-UNIT, or LAYER-EXPERT.UNIT")
        return cls(*map(int, parts))


NamedNeuron = tuple[int, int] | Neuron
"""A neuron as callers may write it: one of an expert must be a `Neuron`, so that no number is taken for another."""


def as_neurons(neurons: Iterable[NamedNeuron]) -> tuple[Neuron, ...]:
    """Pairs, or neurons, as neurons.

    Raises:
        UsageError: one is no pair of whole numbers from 0.
    """
    try:
        return tuple(map(as_neuron, neurons))
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"neurons are pairs (layer, unit) counted from 0, or Neuron(layer, unit, expert=...) of an expert: {error}"
        ) from None


def as_neuron(value: NamedNeuron) -> Neuron:
    """A pair, or a neuron, as a neuron that the wire can carry."""
    neuron = value if isinstance(value, Neuron) else Neuron(*pair_of(value))
    expert = None if neuron.expert is None else part_of_neuron(neuron.expert)
    return Neuron(part_of_neuron(neuron.layer), part_of_neuron(neuron.unit), expert)


def pair_of(value: tuple[int, int]) -> tuple[int, int]:
    """The two numbers of a pair."""
    layer, unit = value
    return layer, unit


def part_of_neuron(value: int) -> int:
    """A layer, a unit or an expert that the wire can carry."""
    if not 0 <= index(value) < 1 << 32:
        raise ValueError(f"Value out of range: {value}")
    return index(value)


@dataclass(frozen=True)
class NeuronLayout:
    """The neurons of a model in their order: layer by layer, expert by expert, then units without an expert.

    Attributes:
        layers: L.
        units: places of a layer: those of its experts, and of an FFN that every token passes. Without experts all are taken.
        experts: of a layer that has any; 0 where none has.
        expert_units: units of one expert.
        shared_units: of each layer of a mixture of experts the units without an expert.
        dense_layers: layers of a mixture of experts that have no experts.
    """

    layers: int
    units: int
    experts: int = 0
    expert_units: int = 0
    shared_units: tuple[int, ...] = ()
    dense_layers: tuple[int, ...] = ()

    @property
    def routed(self) -> int:
        """Places of a layer that are experts' own."""
        return self.experts * self.expert_units

    @property
    def size(self) -> int:
        """Number of neurons."""
        return len(self.numbers)

    @property
    def numbers(self) -> Sequence[int]:
        """The number of every neuron: where it stands among all places, of which a mixture of experts leaves some empty."""
        if not self.experts:
            return range(self.layers * self.units)
        return [number for number in range(self.layers * self.units) if self.has(self.neuron(number))]

    @property
    def words(self) -> str:
        """What there is, for people."""
        if not self.experts:
            return f"{self.layers} layers of {self.units} units"
        shared = [f"layer {layer} has {units}" for layer, units in enumerate(self.shared_units) if units]
        beside = f"; of units without an expert {', '.join(shared)}" if shared else ""
        dense = ", ".join(map(str, self.dense_layers))
        no = f", none in layer{'s'[: len(self.dense_layers) > 1]} {dense}" if dense else ""
        return f"{self.layers} layers of {self.experts} experts of {self.expert_units} units{no}{beside}"

    def has(self, neuron: Neuron) -> bool:
        """Whether the model has such a neuron."""
        if not 0 <= neuron.layer < self.layers:
            return False
        if neuron.expert is None:
            return 0 <= neuron.unit < (self.shared(neuron.layer) if self.experts else self.units)
        routed = 0 <= neuron.expert < self.experts and neuron.layer not in self.dense_layers
        return routed and 0 <= neuron.unit < self.expert_units

    def shared(self, layer: int) -> int:
        """Units of a layer of a mixture of experts that every token passes."""
        return self.shared_units[layer] if self.shared_units else 0

    def place(self, neuron: Neuron) -> int:
        """Where a neuron stands in its layer."""
        return neuron.unit + (self.routed if neuron.expert is None else neuron.expert * self.expert_units)

    def number(self, neuron: Neuron) -> int:
        """Where a neuron stands among all."""
        return neuron.layer * self.units + self.place(neuron)

    def neuron(self, number: int) -> Neuron:
        """The neuron that stands somewhere."""
        layer, place = divmod(number, self.units)
        if place >= self.routed:
            return Neuron(layer, place - self.routed)
        return Neuron(layer, place % self.expert_units, place // self.expert_units)
