"""What a caller wants to know of a text."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from attridex.v1.requests import LabelSource


class Entry(NamedTuple):
    """Name of a remembered signature: the text's key and what is known of it."""

    key: str
    label: LabelSource
    gradient: bool
    neurons: bool
    tracin: bool
    fast: bool


@dataclass(frozen=True, kw_only=True)
class Need:
    """Parts of a signature.

    Attributes:
        label: whose loss gradients are of.
        gradient: the projected gradient.
        neurons: scores, activations and dense signatures.
        tracin: gradients at the checkpoints.
        fast: whether neuron scores are activation times gradient.
    """

    label: LabelSource = "gold"
    gradient: bool = False
    neurons: bool = False
    tracin: bool = False
    fast: bool = False

    @property
    def gold(self) -> bool:
        """Whether a record's own label counts."""
        return self.label == "gold" and (self.gradient or self.tracin)

    def entry(self, key: str) -> Entry:
        """Name of a signature that holds just this."""
        return Entry(key, self.label, self.gradient, self.neurons, self.tracin, self.fast)

    def answers(self, key: str) -> Iterator[Entry]:
        """Names of signatures that hold at least this."""
        for gradient, neurons, tracin in product({True, self.gradient}, {True, self.neurons}, {True, self.tracin}):
            yield Entry(key, self.label, gradient, neurons, tracin, self.fast)
