"""What a trainer says of its training: the model, its tokenizer, its task, its checkpoints."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers.models.auto import modeling_auto

from attridex.indexer.errors import InputError
from attridex.indexer.models.adapters import NAME
from attridex.indexer.trainers.rows import is_theirs
from attridex.indexer.training.keeping import KeepCheckpoints

CLASSES = {
    "causal-lm": modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    "seq2seq-lm": modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    "sequence-classification": modeling_auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    "multiple-choice": modeling_auto.MODEL_FOR_MULTIPLE_CHOICE_MAPPING_NAMES,
    "token-classification": modeling_auto.MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES,
}
"""transformers' classes of models, by task."""
PROBLEMS = {"regression": "regression", "multi_label_classification": "multi-label"}
"""Tasks of a sequence classifier whose configuration names its problem."""


@dataclass(frozen=True)
class Trained:
    """A training that is done.

    Attributes:
        model: what was trained, an adapter on its base model perhaps.
        base: the transformers model in it.
        tokenizer: the model's.
        task: what it decides.
        output: the trainer's `output_dir`.
        checkpoints: directories of TracIn's.
        exact: whether the model computes in float32.
        base_path: of an adapter where its base model lies.
    """

    model: Any
    base: Any
    tokenizer: Any
    task: str
    output: Path
    checkpoints: tuple[str, ...]
    exact: bool
    base_path: str | None = None

    @property
    def adapted(self) -> bool:
        """Whether an adapter was trained."""
        return self.model is not self.base


def trained(trainer: Any, task: str | None, checkpoints: Sequence[str | Path] | None) -> Trained:
    """Read a trainer.

    Args:
        trainer: after its training.
        task: of the model; by its class unless given.
        checkpoints: directories; those that a `KeepCheckpoints` of the trainer kept unless given.

    Raises:
        InputError: the model's task is not known, its adapter cannot be indexed, or there is no tokenizer.
    """
    model = getattr(trainer.model, "_orig_mod", trainer.model)
    base = model.get_base_model() if hasattr(model, "peft_config") else model
    kept = [path for each in trainer.callback_handler.callbacks if isinstance(each, KeepCheckpoints) for path in each.kept]
    given = kept if checkpoints is None else [str(Path(path).resolve()) for path in checkpoints]
    path = None if base is model else base_of(model)
    full = all(weight.dtype == torch.float32 for weight in model.parameters())
    exact = full and trainer.accelerator.mixed_precision in (None, "no")
    return Trained(
        model, base, tokenizer_of(trainer), task or task_of(base), Path(trainer.args.output_dir), tuple(given), exact, path
    )


def task_of(model: Any) -> str:
    """The task of a model, by its class.

    Raises:
        InputError: a class of none of the tasks.
    """
    name = type(model).__name__
    task = next((task for task, classes in CLASSES.items() if name in classes.values()), None)
    if task is None:
        raise InputError(f'from_trainer: a {name} is of no task that is known here; give task = "..." ({", ".join(CLASSES)})')
    if task != "sequence-classification":
        return task
    return PROBLEMS.get(str(model.config.problem_type), "regression" if model.config.num_labels == 1 else task)


def tokenizer_of(trainer: Any) -> Any:
    """The tokenizer of a trainer, or of its collator.

    Raises:
        InputError: there is none.
    """
    found = trainer.processing_class or getattr(trainer.data_collator, "tokenizer", None)
    found = getattr(found, "tokenizer", found)
    if found is None:
        raise InputError("from_trainer: the trainer has no tokenizer; give it one, Trainer(processing_class=tokenizer)")
    return found


def check_objective(trainer: Any) -> None:
    """Refuse a training whose settings say that its loss is not the one that its model itself computes of a row.

    Raises:
        InputError: they do.
    """
    if reason := changed_loss(trainer):
        raise InputError(
            f"from_trainer: the training had {reason}; an index takes the loss that the model itself computes of its answers: "
            "plain_loss=True takes it all the same"
        )


def changed_loss(trainer: Any) -> str | None:
    """What makes a trainer's loss surely another than that of its model, if anything does."""
    settings, step, config = trainer.args, trainer.training_step, trainer.model.config.get_text_config()
    if settings.label_smoothing_factor:
        return f"smoothed labels (label_smoothing_factor = {settings.label_smoothing_factor})"
    if getattr(settings, "loss_type", None) not in (None, "nll"):
        return f'another loss (loss_type = "{settings.loss_type}")'
    if getattr(config, "output_router_logits", False) and getattr(config, "router_aux_loss_coef", 0):
        return f"the balance of its experts in its loss (router_aux_loss_coef = {config.router_aux_loss_coef})"
    return None if is_theirs(step) else f"a training step of its own ({step.__qualname__})"


def own_ways(trainer: Any) -> str:
    """By what a trainer computes a loss."""
    if trainer.compute_loss_func is not None:
        return "a loss of its own (compute_loss_func)"
    return f"a loss of its own ({trainer.compute_loss.__qualname__})"


def base_of(model: Any) -> str:
    """Where the base model of an adapter lies: a directory or a name on the Hub.

    Raises:
        InputError: nowhere, or it is no LoRA, or there are several adapters.
    """
    settings = model.peft_config.get(NAME)
    if list(model.peft_config) != [NAME]:
        names = ", ".join(model.peft_config)
        raise InputError(f"from_trainer: the model's adapters are {names}; one, called '{NAME}', can be indexed")
    if settings.peft_type != "LORA":
        raise InputError(f"from_trainer: a PEFT adapter of kind {settings.peft_type.value}; attridex knows LORA")
    path = settings.base_model_name_or_path
    if not path:
        raise InputError(
            "from_trainer: the adapter's base model was loaded from nowhere; save it, and load it by from_pretrained before the "
            "adapter is put on it"
        )
    return str(Path(path).resolve()) if Path(path).is_dir() else str(path)
