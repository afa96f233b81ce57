"""What a score means, in words that every answer carries; where tasks differ, each has words of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from attridex.indexer.task_kinds import LANGUAGE_TASKS


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
    def by_sign(cls, usual: str, language: str, number: str, scale: str) -> "Wording":
        """Words that differ in the sign alone.

        Args:
            usual: for tasks whose answer is a label.
            language: for language models.
            number: for regressions.
            scale: for all.
        """
        return cls(Meaning(usual, scale), {**for_language(Meaning(language, scale)), "regression": Meaning(number, scale)})

    def of(self, task: str) -> Meaning:
        """The meaning for a task."""
        return self.tasks.get(task, self.usual)


def for_language(meaning: Meaning) -> dict[str, Meaning]:
    """The same meaning for every task of language models."""
    return dict.fromkeys(LANGUAGE_TASKS, meaning)


LOWERS = "higher = the training instance lowers the query's loss more"
"""The sign of every method that compares gradients of losses."""
STORED_SPACE = Meaning(LOWERS, "stored space, not normalised")
"""What a signature's gradient is."""
PROBABILITIES = Wording(
    Meaning("probability of each label", "softmax over the model's outputs, 0 to 1"),
    {
        **for_language(
            Meaning("mean probability of the target's tokens, under the model", "0 to 1, mean over the target's tokens")
        ),
        "regression": Meaning("the model's number for each output, no probability", "as the model gives it"),
        "multi-label": Meaning("probability of each label", "sigmoid of each of the model's outputs by itself, 0 to 1"),
        "token-classification": Meaning(
            "mean probability of each label over the labelled tokens",
            "softmax over the model's outputs, 0 to 1, mean over tokens",
        ),
    },
)
"""What `Predict` gives."""
