"""What a corpus says by itself, counted while it is surveyed: what needs no model, for the check of fit."""

import json
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from math import log
from typing import NamedTuple

from attridex.indexer.corpus.goals import labels_of
from attridex.indexer.corpus.instances import NO_LABEL, RenderedInstance
from attridex.indexer.fit import Measure
from attridex.indexer.task_kinds import LANGUAGE_TASKS, Task

HOLDS = 0.5
"""A label holds where its goal is above this."""


class Answer(NamedTuple):
    """What the model says of an instance.

    Attributes:
        right: labels that it answers as the corpus does.
        told: labels (of a regression: instances) that the corpus tells.
        loss: the instance's.
        targets: target tokens.
    """

    right: int
    told: int
    loss: float
    targets: int = 0


class Told(NamedTuple):
    """What the corpus says of an instance: its label as tables show it, and what is wanted of its tokens."""

    label: str | None
    wanted: Sequence[int] = ()


class Spread:
    """Mean and spread of numbers that come one after another, one of each output at a time (Welford's way)."""

    def __init__(self) -> None:
        """No numbers yet."""
        self.count, self._mean, self._squares = 0, list[float](), list[float]()

    def add(self, numbers: Sequence[float]) -> None:
        """Count an instance's numbers."""
        self.count += 1
        self._mean, self._squares = self._mean or [0.0] * len(numbers), self._squares or [0.0] * len(numbers)
        for at, number in enumerate(numbers):
            away = number - self._mean[at]
            self._mean[at] += away / self.count
            self._squares[at] += away * (number - self._mean[at])

    @property
    def variance(self) -> float:
        """The squared error of always saying the mean, mean over the outputs."""
        return sum(self._squares) / self.count / len(self._squares)

    @property
    def majority(self) -> float:
        """Of numbers that are 0 or 1: the share of each output's more frequent one, mean over the outputs."""
        return sum(max(mean, 1 - mean) for mean in self._mean) / len(self._mean)


@dataclass
class Tally:
    """What a corpus says.

    Attributes:
        task: what its model decides.
        labels: how often each label stands, of instances or of their tokens.
        tokens: how often each token is a target.
        targets: target tokens of each instance, in order.
        goals: what is wanted of every output, where not one of them is right.
    """

    task: Task = "sequence-classification"
    labels: Counter[str] = field(default_factory=Counter)
    tokens: Counter[int] = field(default_factory=Counter)
    targets: "array[int]" = field(default_factory=lambda: array("I"))
    goals: Spread = field(default_factory=Spread)
    _wanted: "array[int]" = field(default_factory=lambda: array("i"))
    _names: tuple[str, ...] = ()

    def see(self, instance: RenderedInstance) -> None:
        """Count an instance."""
        self.targets.append(len(instance.wanted))
        if self.task in LANGUAGE_TASKS:
            self.tokens.update(instance.wanted)
            return
        self._names = instance.outputs
        if self.task == "token-classification":
            self._wanted.extend(instance.wanted)
            self.labels.update(instance.outputs[label] for label in instance.wanted if label != NO_LABEL)
        elif instance.goals:
            self.goals.add(instance.goals if self.task == "regression" else [float(goal > HOLDS) for goal in instance.goals])
        elif instance.label is not None:
            self.labels[instance.outputs[instance.label]] += 1

    @property
    def measure(self) -> Measure:
        """What the model is held against."""
        return "loss" if self.task in LANGUAGE_TASKS else "error" if self.task == "regression" else "right"

    @property
    def baseline(self) -> float:
        """What needs no model: see `Fit`."""
        if self.measure == "loss":
            return self.entropy
        if self.goals.count:
            return self.goals.variance if self.measure == "error" else self.goals.majority
        return self.labels[self.majority] / self.labels.total()

    @property
    def majority(self) -> str:
        """The most frequent label; empty where each label has a majority of its own, or there are none."""
        return self.labels.most_common(1)[0][0] if self.labels else ""

    @property
    def entropy(self) -> float:
        """Of the target tokens, in nats."""
        total = self.tokens.total()
        return log(total) - sum(count * log(count) for count in self.tokens.values()) / total

    def told(self, place: int, label: str | None) -> Told:
        """What is told of the instance at a place of the corpus, whose label an index stores so."""
        if not self.targets:
            return Told(label)
        if self.task != "token-classification":
            return Told(label, range(self.targets[place]))
        return Told(label, self._wanted[self._starts[place] : self._starts[place + 1]])

    @cached_property
    def _starts(self) -> list[int]:
        """Where the targets of each instance begin among those of all."""
        return [0, *accumulate(self.targets)]

    def answer(self, told: Told, said: str | None, loss: float) -> Answer:
        """What the model says of an instance, held against what the corpus tells.

        Args:
            told: by the corpus.
            said: by the model, as tables show it.
            loss: of the instance.
        """
        if self.task in LANGUAGE_TASKS:
            return Answer(0, 0, loss, len(told.wanted))
        if told.label is None or said is None:
            return Answer(0, 0, loss)
        if self.measure == "error":
            return Answer(0, 1, loss)
        right = self._right(told, said)
        return Answer(sum(right), len(right), loss)

    def _right(self, told: Told, said: str) -> list[bool]:
        """Whether the model gives each label that the corpus tells."""
        if self.task == "multi-label":
            return [own == other for own, other in zip(self._holding(str(told.label)), self._holding(said), strict=True)]
        if self.task == "token-classification":
            pairs = zip(told.wanted, json.loads(said), strict=True)
            return [self._names[label] == name for label, name in pairs if label != NO_LABEL]
        return [told.label == said]

    def _holding(self, labels: str) -> list[bool]:
        """Which labels hold, by a list of them as tables show it."""
        return [goal > HOLDS for goal in labels_of(labels, self._names)]
