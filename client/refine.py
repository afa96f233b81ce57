"""Neurons that several prompts of one fact share: refinement over paraphrases (Dai et al., ACL 2022, section 3.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

from attridex.client.errors import UsageError
from attridex.v1.answers import NeuronsResult
from attridex.v1.neurons import Neuron


@dataclass(frozen=True)
class RefinedNeuron:
    """A neuron that enough prompts name.

    Attributes:
        layer: from 0.
        unit: from 0.
        score: mean over the prompts that name it; what it scores in the others is not known.
        prompts: how many name it.
        expert: of a mixture of experts.
    """

    layer: int
    unit: int
    score: float
    prompts: int
    expert: int | None = None

    @property
    def neuron(self) -> Neuron:
        """(layer, unit, expert)."""
        return Neuron(self.layer, self.unit, self.expert)


def refine_neurons(results: Sequence[NeuronsResult], share: float = 0.5) -> tuple[RefinedNeuron, ...]:
    """Keep the neurons that more than a share of prompts name.

    A prompt names the neurons of its result: its top r, or all that it keeps, as they were asked for. One without any
    counts among the prompts all the same.

    Args:
        results: NA of several prompts of the same fact, from `Client.attribute_neurons`.
        share: from 0 to below 1; exactly this share is not enough.

    Returns:
        The neurons in descending score, ties by (layer, expert, unit).

    Raises:
        UsageError: a share that no neuron or every neuron would pass.
    """
    if not 0 <= share < 1:
        raise UsageError(f"refine = {share}: must be from 0 to below 1, the share of prompts that must be exceeded")
    scores: dict[Neuron, list[float]] = {}
    for result in results:
        for neuron, score in {value.neuron: value.score for value in result.neurons}.items():
            scores.setdefault(neuron, []).append(score)
    found = [
        RefinedNeuron(neuron.layer, neuron.unit, sum(values) / len(values), len(values), neuron.expert)
        for neuron, values in scores.items()
        if len(values) / len(results) > share
    ]
    return tuple(sorted(found, key=lambda each: (-each.score, each.layer, -1 if each.expert is None else each.expert, each.unit)))
