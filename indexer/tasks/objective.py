"""A task's way from a model's states to a decision, what it reads, and what is watched when neurons are edited.

Letters: B instances, S sequences, T tokens, C outputs an instance decides between, J states the head reads for an instance,
R rows of a sequence (edited copies of its read position), O outputs of the head, V vocabulary, h hidden size.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from attridex.indexer.corpus.instances import NO_LABEL, RenderedInstance
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.tasks.instance_batches import InstanceBatch
from attridex.indexer.tasks.probes import Probe, Wanted


@dataclass(frozen=True)
class Reading:
    """What a task reads in one forward pass. float32.

    Attributes:
        margins: log-odds of each output, log p / (1 - p); for causal-lm (C = 1) of exp(-loss); 0 for a regression.
        loss: of the label, as the task has it, differentiable.
        labels: output whose loss it is; NO_LABEL where the loss is not of one output.
        predicted: output that neuron scores explain; NO_LABEL for causal-lm.
        probabilities: of the outputs; for causal-lm (C = 1) the mean probability of the target tokens; a regression's numbers.
        hidden: state behind the decision: of the predicted choice, or the mean over the positions that are read.
        errors: gradient of the loss in the head's outputs; None for causal-lm.
        inputs: states that the head reads; None for causal-lm.
        greedy: the most probable token (or label) at each of the N positions that are read, instance after instance.
        counts: how many positions of each instance are read, where there are such.
        goals: what was wanted of every output, for tasks that have goals.
        real: 1 for states that the head reads, 0 for what fills up a row of them; None where all are real.
    """

    margins: Float[Tensor, "B C"]
    loss: Float[Tensor, " B"]
    labels: Int[Tensor, " B"]
    predicted: Int[Tensor, " B"]
    probabilities: Float[Tensor, "B C"]
    hidden: Float[Tensor, "B h"]
    errors: Float[Tensor, "B J O"] | None = None
    inputs: Float[Tensor, "B J h"] | None = None
    greedy: Int[Tensor, " N"] | None = None
    counts: Int[Tensor, " B"] | None = None
    goals: Float[Tensor, "B O"] | None = None
    real: Float[Tensor, "B J"] | None = None

    def changed(self, change: Callable[[str, Tensor], Tensor]) -> "Reading":
        """The same with every column that there is as `change(name, column)` gives it."""
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: change(name, column) for name, column in columns.items() if column is not None})

    def said(self, row: int) -> list[int] | None:
        """The most probable token (or label) at each position of an instance; None for tasks that read no positions."""
        if self.greedy is None or self.counts is None:
            return None
        start = int(self.counts[:row].sum())
        return [int(one) for one in self.greedy[start : start + int(self.counts[row])]]


def first_types(instance: RenderedInstance) -> tuple[int, ...]:
    """Token types of an instance's first sequence, if it has any."""
    return instance.types[0] if instance.types else ()


@runtime_checkable
class Objective(Protocol):
    """A task's way from a model's states to a decision."""

    bound: ClassVar[str] = ""
    """What values decide of a reading's own shape; empty for nothing."""

    def read(self, arch: Architecture, states: Float[Tensor, "S T h"], batch: InstanceBatch) -> Reading:
        """Read the body's final states."""

    def probes(self, instance: RenderedInstance, predicted: int, margin: float) -> list[Probe]:
        """Sequences whose neurons are scored; scores are averaged over them. `margin` is that of the predicted output."""
        return self.edited(instance)

    def watch(self, logits: Float[Tensor, "S R O"], wanted: Wanted) -> Float[Tensor, "S R"]:
        """P(target) from the logits at the read positions of probes; row 0 is unedited."""

    def decide(self, logits: Float[Tensor, "S R O"], wanted: Wanted) -> Float[Tensor, "R C"]:
        """Output probabilities of one instance from the logits of its edited sequences."""

    def edited(self, instance: RenderedInstance) -> list[Probe]:
        """Sequences that an ablation edits: all of the instance's, of multiple choice one a choice, each at its read position."""
        types = instance.types or [()] * len(instance.sequences)
        return [Probe(sequence, types=own) for sequence, own in zip(instance.sequences, types, strict=True)]

    def answer(self, reading: Reading, row: int, outputs: Sequence[str]) -> str | None:
        """What is predicted for a row, as tables show it; None where the task predicts nothing but its target."""
        return outputs[int(reading.predicted[row])]

    def answers(self, logits: Float[Tensor, "S R O"], wanted: Wanted, outputs: Sequence[str]) -> list[str]:
        """What is predicted for each row of edited sequences, as tables show it; nothing where `answer` gives None."""
        return [outputs[at] for at in self.decide(logits, wanted).argmax(-1).tolist()]

    def settled(self, batch: InstanceBatch, reading: Reading) -> InstanceBatch:
        """The same batch with the labels that a reading took: another model may predict others."""
        return replace(batch, labels=reading.labels)


def label_name(instance: RenderedInstance, label: int, said: str | None, *, predicted: bool) -> str:
    """The label whose loss was taken, as tables show it.

    Args:
        instance: whose.
        label: output whose loss it was, or NO_LABEL.
        said: what is predicted; None of a language model, whose label is its target.
        predicted: whether the loss is of that.
    """
    if label != NO_LABEL:
        return instance.outputs[label]
    if said is None:
        return instance.outputs[0]
    return said if predicted or instance.answer is None else instance.answer
