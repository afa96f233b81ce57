"""A task's model: the class of transformers that loads it, and whether a model says that it was trained for the task."""

from typing import Any

import transformers

from attridex.indexer.errors import InputError
from attridex.indexer.task_kinds import CLASSIFIER_TASKS, LANGUAGE_TASKS, Task

CHOICES = "ForMultipleChoice"
AUTO_CLASSES: dict[Task, str] = {
    "causal-lm": "AutoModelForCausalLM",
    "token-classification": "AutoModelForTokenClassification",
    "seq2seq-lm": "AutoModelForSeq2SeqLM",
}
"""Those that load other models than sequence classifiers."""
HEADS: dict[str, tuple[str, ...]] = {
    "ForSequenceClassification": (*CLASSIFIER_TASKS, "multiple-choice"),
    CHOICES: ("multiple-choice",),
    "ForTokenClassification": ("token-classification",),
    "ForQuestionAnswering": (),
    "ForCausalLM": ("causal-lm",),
    "LMHeadModel": ("causal-lm",),
    "ForConditionalGeneration": ("seq2seq-lm", "causal-lm"),
}
"""Tasks of heads, by the ends of their classes' names: some share their weights' names, and would be loaded as one another."""


def own_class(hf: Any) -> str:
    """Name of the class that a model was saved from; empty where its configuration does not say it."""
    return str((getattr(hf, "architectures", None) or [""])[0])


def scores_choices(hf: Any) -> bool:
    """Whether a model was trained by transformers' own class for multiple choice, whose head has one output."""
    return own_class(hf).endswith(CHOICES)


def auto_model(task: Task, hf: Any) -> Any:
    """The class that loads a task's model; a model for multiple choice may also be a classifier with one output."""
    choices = task == "multiple-choice" and scores_choices(hf)
    name = "AutoModelForMultipleChoice" if choices else AUTO_CLASSES.get(task, "AutoModelForSequenceClassification")
    return getattr(transformers, name)


def check_head(task: Task, hf: Any, where: str, *, adapted: bool) -> None:
    """Refuse a model that was saved with the head of another task.

    Args:
        task: what is asked of the model.
        hf: the model's own configuration.
        where: names the model in errors.
        adapted: whether an adapter brings the head.

    Raises:
        InputError: it was.
    """
    own = own_class(hf)
    tasks = next((tasks for end, tasks in HEADS.items() if own.endswith(end)), None)
    if adapted or tasks is None or task in tasks:
        return
    known = f"its task is {' or '.join(tasks)}" if tasks else "attridex has no task for it"
    tuned = "; or fine-tune it for that first (`attridex finetune`)" if set(tasks) & set(LANGUAGE_TASKS) else ""
    raise InputError(f'{where}: the model is a {own}, {known}; this is "{task}" (model.task){tuned}')


PROBLEMS = {
    "regression": "regression",
    "multi_label_classification": "multi-label",
    "single_label_classification": "sequence-classification",
}
"""Tasks that a sequence classifier's own configuration names, by what transformers calls them."""


def check_problem(task: Task, hf: Any, where: str) -> None:
    """Refuse a sequence classifier that its own configuration says was trained for another task.

    A classifier with one output that was trained as multi-label decides between two labels too.

    Raises:
        InputError: it says so.
    """
    trained = PROBLEMS.get(str(getattr(hf, "problem_type", None)))
    if task not in CLASSIFIER_TASKS or trained in (None, task) or (hf.num_labels == 1 and "regression" not in (trained, task)):
        return
    raise InputError(
        f'{where}: its config.json says problem_type = "{hf.problem_type}", so it was trained for task = "{trained}"; '
        f'this is "{task}" (model.task)'
    )
