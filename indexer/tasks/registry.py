"""The objective of each task."""

from attridex.indexer.task_kinds import Task
from attridex.indexer.tasks.classification import MultipleChoice, OneLogit, SequenceClassification
from attridex.indexer.tasks.language import CausalLM
from attridex.indexer.tasks.objective import Objective
from attridex.indexer.tasks.outputs import MultiLabel, Regression
from attridex.indexer.tasks.tokens import TokenClassification

OBJECTIVES: dict[Task, Objective] = {
    "sequence-classification": SequenceClassification(),
    "multiple-choice": MultipleChoice(),
    "causal-lm": CausalLM(),
    "seq2seq-lm": CausalLM(),
    "regression": Regression(),
    "multi-label": MultiLabel(),
    "token-classification": TokenClassification(),
}
ONE_LOGIT = OneLogit()


def objective_of(task: Task, outputs: int) -> Objective:
    """The objective of a task; a classifier whose head has one output decides between two labels.

    Args:
        task: what the model decides.
        outputs: of the head.
    """
    return ONE_LOGIT if task == "sequence-classification" and outputs == 1 else OBJECTIVES[task]
