"""What signing a text gives: what its model says, its gradient, its neurons."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from attridex.indexer.errors import InputError, nearest
from attridex.indexer.neurons.scores import kept_neurons

Float32 = NDArray[np.float32]


class ScoredNeuron(NamedTuple):
    """An FFN unit and its score."""

    layer: int
    unit: int
    score: float


class Decision(NamedTuple):
    """The output that neuron scores explain (-1 for causal-lm), its log-odds, probabilities of all [C], and what is predicted."""

    predicted: int
    margin: float
    probabilities: Float32
    said: str | None


@dataclass(frozen=True)
class GradientReading:
    """What the pass that gives a text's gradient reads of it.

    Attributes:
        predicted: output index that neuron scores explain, the most probable one; -1 for causal-lm.
        label: the label whose loss was taken, as tables show it; for causal-lm the target.
        loss: of that label, as the task has it.
        said: what is predicted, as tables show it; None for causal-lm.
        outputs: names of what the model decides between.
        probabilities: of the outputs [C]; for causal-lm the mean probability of the target tokens [1].
        margins: log-odds of the outputs [C].
        hidden: state behind the decision [h].
        greedy: for causal-lm, what the model would have said at the target's positions.
        gradient: projected gradient [d], not normalised.
        tracin: projected gradients at every checkpoint, one after the other [checkpoints * d].
    """

    predicted: int
    label: str
    loss: float
    said: str | None
    outputs: tuple[str, ...]
    probabilities: Float32
    margins: Float32
    hidden: Float32
    greedy: str | None = None
    gradient: Float32 | None = None
    tracin: Float32 | None = None

    @property
    def decision(self) -> Decision:
        """What neuron scores explain."""
        return self.about(self.predicted)

    def about(self, output: int) -> Decision:
        """The decision with another output to explain."""
        return Decision(output, float(self.margins[output]), self.probabilities, self.said)


@dataclass(frozen=True)
class NeuronReading:
    """What the passes that score a text's neurons read of it.

    Attributes:
        scores: neuron scores [L, F].
        activation: FFN activations at the read position [s], projected where they are many.
        attribution: neuron scores [s], projected in the same way.
    """

    scores: Float32
    activation: Float32
    attribution: Float32

    def plus(self, other: "NeuronReading") -> "NeuronReading":
        """The sum of two readings."""
        return NeuronReading(self.scores + other.scores, self.activation + other.activation, self.attribution + other.attribution)

    def over(self, count: int) -> "NeuronReading":
        """The reading divided by a number."""
        size = np.float32(count)
        return NeuronReading(self.scores / size, self.activation / size, self.attribution / size)


@dataclass(frozen=True)
class Signature(GradientReading):
    """What the index knows of one text: a `GradientReading`, and a `NeuronReading` where neurons were scored.

    Attributes:
        keep: a neuron is kept if its score is above this share of the largest.
    """

    scores: Float32 | None = None
    activation: Float32 | None = None
    attribution: Float32 | None = None
    keep: float = 0.1

    @classmethod
    def joined(cls, reading: GradientReading, neurons: NeuronReading | None, keep: float) -> Self:
        """The signature of two readings of a text."""
        return cls(**vars(reading), **(vars(neurons) if neurons else {}), keep=keep)

    def kept(self, share: float) -> list[ScoredNeuron]:
        """Neurons with a score above `share` of the largest, in descending score, ties by (layer, unit)."""
        if self.scores is None:
            raise InputError("this signature was made without neuron scores")
        return as_neurons(self.scores, share)

    def top(self, r: int) -> list[ScoredNeuron]:
        """The first r kept neurons in descending score; all of them for r = 0."""
        return self.kept(self.keep)[: r or None]


def as_neurons(scores: Float32, share: float) -> list[ScoredNeuron]:
    """Kept neurons of scores [L, F], in descending score."""
    units, flat = scores.shape[1], scores.reshape(-1)
    return [ScoredNeuron(int(i) // units, int(i) % units, float(flat[i])) for i in kept_neurons(scores, share)]


def output_number(outputs: Sequence[str], name: str) -> int:
    """The place of an output among those of an instance.

    Raises:
        InputError: it has none of that name.
    """
    if name not in outputs:
        raise InputError(f"output '{name}': the model decides between no such ones; {nearest(name, outputs)}")
    return outputs.index(name)
