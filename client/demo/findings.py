"""What the demo finds out: pure data, and how well scores find flipped labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from attridex.client.workbench.statistics import auc
from attridex.v1.answers import InstanceHit


@dataclass(frozen=True)
class Detection:
    """How well scores find flipped labels.

    Attributes:
        auc: area under the ROC curve; 0.5 is chance.
        precision: share of flipped labels among the highest scores, as many as there are flipped ones.
    """

    auc: float
    precision: float


class Found(NamedTuple):
    """Training instances behind an answer, and how they were found."""

    title: str
    hits: Sequence[InstanceHit]


class EditedProbability(NamedTuple):
    """The probability of the predicted label after an edit of neurons."""

    name: str
    probability: float


@dataclass(frozen=True)
class Evidence:
    """What stands behind one answer of the model, by every kind of query."""

    premise: str
    hypothesis: str
    label: str
    subcase: str
    predicted: str
    probability: float
    found: tuple[Found, ...]
    edits: tuple[EditedProbability, ...]


@dataclass(frozen=True)
class DemoFindings:
    """All that the demo asked.

    Attributes:
        wrong: challenge pairs that mislead the model.
        challenge: how many were asked.
        suspicion: self-influence of each training instance.
        flipped: whether its label was flipped.
        detection: how well each signal finds the flipped labels.
        overlaps: mean share of the hypothesis's words that the premise has, of the corpus and of what was retrieved.
        queries: evidence for some answers.
    """

    wrong: int
    challenge: int
    suspicion: tuple[float, ...]
    flipped: tuple[bool, ...]
    detection: Mapping[str, Detection]
    overlaps: Mapping[str, float]
    queries: tuple[Evidence, ...]


def detect(scores: Sequence[float], flipped: Sequence[bool]) -> Detection:
    """AUC and precision of scores (higher = more suspicious) at finding flipped labels."""
    count = sum(flipped)
    order = sorted(range(len(scores)), key=lambda i: -scores[i])[:count]
    return Detection(auc(list(scores), list(flipped)), sum(flipped[i] for i in order) / count)


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean."""
    return sum(values) / len(values)
