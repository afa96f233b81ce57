"""Tasks: what a model may decide, and kinds of them. Imports nothing, so that the client may name them too."""

from typing import Literal

Task = Literal[
    "sequence-classification", "multiple-choice", "causal-lm", "regression", "multi-label", "token-classification", "seq2seq-lm"
]
LANGUAGE_TASKS = ("causal-lm", "seq2seq-lm")
"""Those of language models, whose answer is a target's tokens."""
CLASSIFIER_TASKS = ("sequence-classification", "regression", "multi-label")
"""Those of a head that reads one state of a sequence."""
GOLD_ALONE = (*LANGUAGE_TASKS, "regression")
"""Those whose loss is of what the corpus says alone: what is predicted has none of its own."""
MANY_ANSWERS = ("regression", "multi-label", "token-classification")
"""Those whose answer is not one of the outputs."""
