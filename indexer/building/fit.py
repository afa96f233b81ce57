"""Measuring the check of fit: of what an index stores, or on a sample before there is one."""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import log
from typing import NamedTuple

from attridex.indexer.building.pace import Pace
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.fit import Fit
from attridex.indexer.signing.signer import Signer

SECONDS = 4.0
"""That a sample is read for, about."""


@dataclass
class Tally:
    """What a corpus says, counted while it is surveyed.

    Attributes:
        labels: how often each label stands.
        tokens: how often each token is a target.
        targets: target tokens of each instance, in order.
    """

    labels: Counter[str] = field(default_factory=Counter)
    tokens: Counter[int] = field(default_factory=Counter)
    targets: "array[int]" = field(default_factory=lambda: array("I"))

    def see(self, instance: RenderedInstance) -> None:
        """Count an instance."""
        self.targets.append(len(instance.wanted))
        self.tokens.update(instance.wanted)
        if not instance.reads and instance.label is not None:
            self.labels[instance.outputs[instance.label]] += 1

    @property
    def entropy(self) -> float:
        """Of the target tokens, in nats."""
        total = self.tokens.total()
        return log(total) - sum(count * log(count) for count in self.tokens.values()) / total


class Answer(NamedTuple):
    """What the model says of an instance.

    Attributes:
        right: whether its prediction is the label; None without either.
        loss: the mean over target tokens.
        targets: how many there are.
    """

    right: bool | None
    loss: float
    targets: int


def fit_of(answers: Iterable[Answer], tally: Tally) -> Fit | None:
    """The check of fit of what a model says; None where the corpus says nothing to hold it against."""
    found = list(answers)
    if counted := sum(answer.targets for answer in found):
        return Fit("loss", sum(answer.loss * answer.targets for answer in found) / counted, tally.entropy, counted)
    told = [answer.right for answer in found if answer.right is not None]
    if not told or not tally.labels:
        return None
    ((majority, count),) = tally.labels.most_common(1)
    return Fit("right", sum(told) / len(told), count / tally.labels.total(), len(told), majority)


def sample_fit(signer: Signer, sample: Sequence[RenderedInstance], tally: Tally, pace: Pace) -> Fit | None:
    """The check of fit on as much of a sample as is read in a few seconds, one instance at least.

    Args:
        signer: of the index.
        sample: instances in any order.
        tally: of the whole corpus.
        pace: of the signer; to read an instance takes no longer than its gradient does.
    """
    budget, chosen = SECONDS, list[RenderedInstance]()
    for instance in sorted(sample, key=lambda each: each.key):  # as drawn by lot
        budget -= pace.gradients * instance.tokens
        if chosen and budget < 0:
            break
        chosen.append(instance)
    return fit_of(said_of(signer, chosen), tally)


def said_of(signer: Signer, instances: Sequence[RenderedInstance]) -> Iterable[Answer]:
    """What the model says of instances."""
    for batch in signer.gradient_batches(instances, gradient=False):
        for position, reading in zip(batch.positions, batch.readings, strict=True):
            instance = instances[position]
            told = instance.label is not None and not instance.reads
            yield Answer(reading.predicted == instance.label if told else None, reading.loss, len(instance.wanted))
