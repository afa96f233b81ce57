"""What a score means, in words that every answer carries; where tasks differ, each has words of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Meaning:
    """Sign and scale of a score: what a positive one says, its formula and unit."""

    sign: str
    scale: str

    def adding(self, words: str) -> "Meaning":
        """The same with more said of the scale."""
        return Meaning(self.sign, self.scale + words)


@dataclass(frozen=True)
class Wording:
    """A meaning in the words of each task.

    Attributes:
        usual: for tasks whose answer is a label.
        tasks: for the others, by task.
    """

    usual: Meaning
    tasks: Mapping[str, Meaning] = field(default_factory=dict)

    @classmethod
    def by_sign(cls, usual: str, language: str, scale: str) -> "Wording":
        """Words that differ in the sign alone, which is `language` for language models."""
        return cls(Meaning(usual, scale), {"causal-lm": Meaning(language, scale)})

    def of(self, task: str) -> Meaning:
        """The meaning for a task."""
        return self.tasks.get(task, self.usual)


LOWERS = "higher = the training instance lowers the query's loss more"
"""The sign of every method that compares gradients of losses."""
STORED_SPACE = Meaning(LOWERS, "stored space, not normalised")
"""What a signature's gradient is."""
PROBABILITIES = Wording(
    Meaning("probability of each label", "softmax over the model's outputs, 0 to 1"),
    {"causal-lm": Meaning("mean probability of the target's tokens, under the model", "0 to 1, mean over the target's tokens")},
)
"""What `Predict` gives."""
