"""Fine-tuning: the model that indices, studies and the demo use, rendered and read exactly as they render and read it."""

import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoModelForSequenceClassification, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from attridex.indexer.architectures import Architecture, family_of
from attridex.indexer.batches import TokenBatch, pad, plan_batches
from attridex.indexer.config import Config, TrainingConfig
from attridex.indexer.corpus import read_file, rendered
from attridex.indexer.errors import InputError, NumericError
from attridex.indexer.layout import dumps, publish, write_synced
from attridex.indexer.models import load_hf_config, positions, quiet_transformers, renderer_for
from attridex.indexer.progress import Advance, progress
from attridex.indexer.tasks import Instance, Renderer

RECORD = "finetune.json"
"""Written beside the weights: configuration, seed and figures of the training."""


def finetune(config: Config, out: Path, *, show_progress: bool = True) -> dict[str, Any]:
    """Train a classifier on the corpus of a configuration; resumes a killed run from its last checkpoint.

    Returns:
        Figures: instances, steps, train_loss, and accuracy for each test file.

    Raises:
        InputError: no [training] section, `out` in use, or bad data.
        NumericError: the loss is not finite.
    """
    training = config.training
    if training is None:
        raise InputError('the configuration has no [training] section; it needs at least base = "MODEL"')
    if (out / "config.json").exists():
        raise InputError(f"{out}: there is a model already; choose another --out or remove it")
    labels = training_labels(config)
    torch.manual_seed(training.seed)
    arch, tokenizer = base_model(training, labels)
    limit = min(config.model.max_length, positions(arch.model.config))
    renderer = renderer_for(config, labels, tokenizer, arch.causal, limit)
    instances = [instance for _, instance in rendered(config.corpus, renderer, labels_needed=True)]
    if not instances:
        raise InputError(f"{', '.join(config.corpus.files)}: no instances in the corpus")
    tests = {path: read_labelled(Path(path), renderer) for path in training.test_files}
    figures: dict[str, Any] = {"instances": len(instances), **train(arch, tokenizer, instances, training, out, show_progress)}
    figures["accuracy"] = {Path(path).name: accuracy(arch, data, tokenizer.pad_token_id) for path, data in tests.items()}
    save(arch, tokenizer, config, figures, out)
    return figures


def training_labels(config: Config) -> list[str]:
    """The model's outputs, in their order: `corpus.labels`."""
    if config.corpus.labels is not None:
        return config.corpus.labels
    raise InputError('corpus.labels is missing: fine-tuning needs the order of the model\'s outputs, as ["negative", "positive"]')


def base_model(training: TrainingConfig, labels: Sequence[str]) -> tuple[Architecture, Any]:
    """The pretrained model with a new head, cut to its first `layers`, and its tokenizer with a padding token."""
    from transformers import AutoTokenizer

    hf = load_hf_config(training.base, None)
    family = family_of(hf.model_type, training.base)
    if training.layers is not None:
        if training.layers > hf.num_hidden_layers:
            raise InputError(f"training.layers = {training.layers}: {training.base} has {hf.num_hidden_layers}")
        hf.num_hidden_layers = training.layers
        if getattr(hf, "layer_types", None):
            hf.layer_types = hf.layer_types[: training.layers]
    tokenizer = AutoTokenizer.from_pretrained(training.base)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    hf.pad_token_id = tokenizer.pad_token_id
    hf.id2label = dict(enumerate(labels))
    hf.label2id = {label: number for number, label in enumerate(labels)}
    with quiet_transformers():
        model = AutoModelForSequenceClassification.from_pretrained(training.base, config=hf, dtype=torch.float32)
    return Architecture(model, family), tokenizer


def read_labelled(path: Path, renderer: Renderer) -> list[Instance]:
    """Instances of a test file, each with its label."""
    instances = []
    for record in read_file(path):
        instance = renderer.render(record.values, record.where)
        if instance.label is None:
            raise InputError(f"{record.where}: a test instance needs a label")
        instances.append(instance)
    return instances


def train(
    arch: Architecture, tokenizer: Any, instances: Sequence[Instance], training: TrainingConfig, out: Path, show: bool
) -> dict[str, float]:
    """Run HF Trainer over the instances; checkpoints lie beside `out` until it is done."""
    checkpoints = out.with_name(f"{out.name}.checkpoints")
    steps = math.ceil(len(instances) / training.batch_size * training.epochs)
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        per_device_train_batch_size=training.batch_size,
        max_steps=steps,
        learning_rate=training.learning_rate,
        warmup_steps=round(steps * training.warmup),
        weight_decay=training.weight_decay,
        seed=training.seed,
        save_strategy="steps",
        save_steps=max(100, steps // 5),
        save_total_limit=1,
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        train_sampling_strategy="group_by_length",
        log_level="error",
        dataloader_pin_memory=False,
    )
    data = [{"input_ids": list(i.sequences[0]), "label": i.label} for i in instances]
    with quiet_transformers(), progress("Fine-tuning", steps, "steps", enabled=show) as advance:
        trainer = ReadoutTrainer(
            model=arch.model,
            args=arguments,
            train_dataset=data,
            data_collator=Collate(tokenizer.pad_token_id),
            callbacks=[Steps(advance)],
        )
        trainer.arch = arch
        trainer.remove_callback(PrinterCallback)
        result = trainer.train(resume_from_checkpoint=bool(list(checkpoints.glob("checkpoint-*"))))
    shutil.rmtree(checkpoints, ignore_errors=True)
    arch.model.eval()
    return {"steps": result.global_step, "train_loss": result.training_loss}


class Collate:
    """Turns training rows into a padded batch."""

    def __init__(self, pad_token: int) -> None:
        """`pad_token` fills the right side."""
        self._pad = pad_token

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """Ids, mask, lengths and labels of a batch."""
        batch = pad([row["input_ids"] for row in rows], self._pad, torch.device("cpu"))
        labels = torch.tensor([row["label"] for row in rows])
        return {"ids": batch.ids, "mask": batch.mask, "lengths": batch.lengths, "labels": labels}


class ReadoutTrainer(Trainer):  # type: ignore[misc]
    """Trainer whose loss reads the position that attribution reads."""

    arch: Architecture

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
        """Mean cross-entropy of a batch.

        Raises:
            NumericError: it is not finite.
        """
        loss = F.cross_entropy(logits(self.arch, TokenBatch(inputs["ids"], inputs["mask"], inputs["lengths"])), inputs["labels"])
        if not torch.isfinite(loss):
            raise NumericError(
                f"fine-tuning: the loss is {loss.item()} at step {self.state.global_step}; lower training.learning_rate"
            )
        return (loss, {}) if return_outputs else loss


def logits(arch: Architecture, batch: TokenBatch) -> Tensor:
    """Logits [B, C] of a batch."""
    output = arch.body(batch.ids, attention_mask=batch.mask)
    result: Tensor = arch.head(arch.hidden_states(output, batch.read(arch.causal)))
    return result


class Steps(TrainerCallback):  # type: ignore[misc]
    """Hands each training step to the progress bar."""

    def __init__(self, advance: Advance) -> None:
        """`advance(n)` moves the bar."""
        self._advance = advance
        self._seen = 0

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move on by the steps done since the last call (more than one after a resume)."""
        self._advance(state.global_step - self._seen)
        self._seen = state.global_step


def accuracy(arch: Architecture, instances: Sequence[Instance], pad_token: int, budget: int = 4096) -> float:
    """Share of instances whose label has the highest probability."""
    device = next(arch.model.parameters()).device
    right = 0
    with torch.no_grad():
        for rows in plan_batches([instance.tokens for instance in instances], budget):
            batch = pad([instances[row].sequences[0] for row in rows], pad_token, device)
            guesses = logits(arch, batch).argmax(1).tolist()
            right += sum(guess == instances[row].label for guess, row in zip(guesses, rows, strict=True))
    return right / len(instances)


def save(arch: Architecture, tokenizer: Any, config: Config, figures: Mapping[str, Any], out: Path) -> None:
    """Write model, tokenizer and the training's record, whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with publish(out) as directory, quiet_transformers():
        arch.model.save_pretrained(directory)  # type: ignore[operator]
        tokenizer.save_pretrained(directory)
        write_synced(directory / RECORD, dumps({"config": config.model_dump(mode="json"), **figures}))
