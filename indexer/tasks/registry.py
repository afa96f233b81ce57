"""The objective of each task."""

from attridex.indexer.config import Task
from attridex.indexer.tasks.classification import MultipleChoice, SequenceClassification
from attridex.indexer.tasks.language import CausalLM
from attridex.indexer.tasks.objective import Objective

OBJECTIVES: dict[Task, Objective] = {
    "sequence-classification": SequenceClassification(),
    "multiple-choice": MultipleChoice(),
    "causal-lm": CausalLM(),
}
