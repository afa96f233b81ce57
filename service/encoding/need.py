"""What a caller wants to know of a text."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

from attridex.v1.requests import LabelSource


@dataclass(frozen=True, kw_only=True)
class Need:
    """Parts of a signature.

    Attributes:
        label: whose loss gradients are of.
        gradient: the projected gradient.
        neurons: scores, activations and dense signatures.
        tracin: gradients at the checkpoints.
        fast: whether neuron scores are activation times gradient.
        output: whose probability neuron scores explain; as the task has it where empty.
    """

    label: LabelSource = "gold"
    gradient: bool = False
    neurons: bool = False
    tracin: bool = False
    fast: bool = False
    output: str = ""

    @property
    def gold(self) -> bool:
        """Whether a record's own label counts."""
        return self.label == "gold" and (self.gradient or self.tracin)

    @cached_property
    def wider(self) -> tuple["Need", ...]:
        """This, and all that ask for more parts of the same signature."""
        parts = product({True, self.gradient}, {True, self.neurons}, {True, self.tracin})
        return tuple(replace(self, gradient=gradient, neurons=neurons, tracin=tracin) for gradient, neurons, tracin in parts)
