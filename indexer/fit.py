"""The check of fit: whether a model does what its corpus says, beside what needs no model."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any, Literal, Self

Measure = Literal["right", "loss", "error"]
CERTAIN = 2.0
"""Standard errors by which a share must lie above the majority's."""


@dataclass(frozen=True)
class Fit:
    """How well a model does on its own training data.

    Attributes:
        measure: `right` is the share of labels that the model answers as the corpus does; `loss` the mean loss of target tokens;
            `error` the mean squared error of numbers.
        model: the model's.
        baseline: what needs no model: the share of the most frequent label (of several labels that hold or do not, of each
            label's more frequent answer); the entropy of the target tokens, in nats, which is the loss of whoever knows their
            frequencies alone; or the squared error of always saying the mean.
        counted: labels, target tokens, or instances with numbers.
        majority: the most frequent label; empty where there is none for all.
    """

    measure: Measure
    model: float
    baseline: float
    counted: int
    majority: str = ""

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Self | None:
        """That of an index; None for indices that do not tell it, and for corpora without labels."""
        found = manifest.get("fit")
        return None if found is None else cls(**found)

    @property
    def better(self) -> bool:
        """Whether the model does better than what needs no model, and not by chance alone."""
        if self.measure != "right":
            return self.model < self.baseline
        return self.model - CERTAIN * sqrt(self.model * (1 - self.model) / self.counted) > self.baseline

    @property
    def words(self) -> str:
        """Both figures in a sentence."""
        if self.measure == "loss":
            return (
                f"fit: the model's mean loss of {self.counted:,} target tokens is {self.model:.3g}; "
                f"their frequencies alone would give {self.baseline:.3g}"
            )
        if self.measure == "error":
            return (
                f"fit: the model's mean squared error over {self.counted:,} instances is {self.model:.3g}; "
                f"{self.rival} would give {self.baseline:.3g}"
            )
        return (
            f"fit: the model answers {self.model:.1%} of {self.counted:,} labels as the corpus does; "
            f"{self.rival} would answer {self.baseline:.1%}"
        )

    def warning(self, *, as_trained: bool = False) -> str:
        """What is probably wrong; empty where the model does better.

        `as_trained` says that losses were found to be those of the training itself, so that texts and labels are its own.
        """
        if self.better:
            return ""
        little = f"warning: the model does no better than {self.rival}: it has learned little (train longer?)"
        if as_trained:
            return little
        return (
            f"{little}, or its texts are not encoded as in its training (the input form, special tokens, truncation), or the "
            "labels are others; `attridex show` prints what it reads"
        )

    def lines(self, *, as_trained: bool = False) -> list[str]:
        """Both figures in a sentence, then the warning if there is one."""
        return [line for line in (self.words, self.warning(as_trained=as_trained)) if line]

    @property
    def rival(self) -> str:
        """What the model is held against."""
        if self.measure == "loss":
            return "the frequencies of the target tokens"
        if self.measure == "error":
            return "always the mean"
        return f"always '{self.majority}'" if self.majority else "always each label's more frequent answer"
