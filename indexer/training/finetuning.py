"""Fine-tuning: the model that indices, studies and the demo use, rendered and read exactly as they render and read it."""

import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_pt_utils import LengthGroupedSampler

from attridex.indexer.config import Config, Task, TrainingConfig
from attridex.indexer.corpus.reading import read_file, rendered
from attridex.indexer.corpus.rendering import Instance, Renderer
from attridex.indexer.errors import InputError, NumericError
from attridex.indexer.index.layout import TRAINING_RECORD, dumps, publish, write_synced
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.models.batches import plan_batches
from attridex.indexer.models.families import family_of
from attridex.indexer.models.loading import auto_model, quiet_transformers
from attridex.indexer.models.objectives import OBJECTIVES, Reading, collate
from attridex.indexer.models.renderers import positions, renderer_for
from attridex.indexer.models.sources import check_task, load_hf_config
from attridex.indexer.progress import Advance, progress


def finetune(config: Config, out: Path, *, show_progress: bool = True) -> dict[str, Any]:
    """Train a model on the corpus of a configuration; resumes a killed run from its last checkpoint.

    Returns:
        Figures: instances, steps, train_loss, and accuracy for each test file.

    Raises:
        InputError: no [training] section, `out` in use, or bad data.
        NumericError: the loss is not finite.
    """
    training = training_of(config)
    if (out / "config.json").exists():
        raise InputError(f"{out}: there is a model already; choose another --out or remove it")
    start = begin(config)
    renderer, reader = start.renderer, start.reader
    instances = [instance for _, instance in rendered(config.corpus, renderer, labels_needed=True)]
    if not instances:
        raise InputError(f"{', '.join(config.corpus.files)}: no instances in the corpus")
    tests = {path: read_labelled(Path(path), renderer) for path in training.test_files}
    figures: dict[str, Any] = {"instances": len(instances), **train(reader, instances, training, out, show_progress)}
    with progress("Testing", sum(map(len, tests.values())), "instances", enabled=show_progress and bool(tests)) as advance:
        figures["accuracy"] = {Path(path).name: float(evaluate(reader, data, advance)[1].mean()) for path, data in tests.items()}
    save(reader.arch, start.tokenizer, config, figures, out)
    shutil.rmtree(work_dir(out), ignore_errors=True)
    return figures


@dataclass(frozen=True)
class Start:
    """A pretrained model about to be trained, and how it reads records."""

    reader: "TaskReader"
    renderer: Renderer
    tokenizer: Any


def begin(config: Config) -> Start:
    """Load what a training starts from: the same weights, and the same new head, for the same configuration.

    Raises:
        InputError: no [training] section, no such model, or no labels.
    """
    training = training_of(config)
    labels = training_labels(config)
    torch.manual_seed(training.seed)
    arch, tokenizer = base_model(training, config.model.task, labels)
    limit = min(config.model.max_length, positions(arch.model.config, arch.family))
    renderer = renderer_for(config, labels, tokenizer, arch.causal, limit)
    return Start(TaskReader(arch, config.model.task, tokenizer.pad_token_id), renderer, tokenizer)


def work_dir(out: Path) -> Path:
    """Where a training keeps what it resumes from, until it is done."""
    return out.with_name(f"{out.name}.checkpoints")


def training_of(config: Config) -> TrainingConfig:
    """The [training] section.

    Raises:
        InputError: there is none.
    """
    if config.training is None:
        raise InputError('the configuration has no [training] section; it needs at least base = "MODEL"')
    return config.training


def training_labels(config: Config) -> list[str]:
    """The model's outputs, in their order: `corpus.labels`; none where records bring their own."""
    if config.model.task != "sequence-classification":
        return []
    if config.corpus.labels is not None:
        return config.corpus.labels
    raise InputError('corpus.labels is missing: fine-tuning needs the order of the model\'s outputs, as ["negative", "positive"]')


def base_model(training: TrainingConfig, task: Task, labels: Sequence[str]) -> tuple[Architecture, Any]:
    """The pretrained model (a classifier with a new head), cut to its first `layers`, and its tokenizer with a padding token."""
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
    if task != "causal-lm":
        hf.id2label = dict(enumerate(labels or ["choice"]))
        hf.label2id = {label: number for number, label in hf.id2label.items()}
    check_task(task, family, hf, training.base)
    with quiet_transformers():
        model = auto_model(task).from_pretrained(training.base, config=hf, dtype=torch.float32)
    return Architecture(model, family), tokenizer


def read_labelled(path: Path, renderer: Renderer) -> list[Instance]:
    """Instances of a test file, each with its label."""
    instances = []
    for record in read_file(path):
        instance = renderer.render(record.values, record.where)
        if instance.label_name is None:
            raise InputError(f"{record.where}: a test instance needs a label")
        instances.append(instance)
    return instances


class TaskReader:
    """Reads instances as attribution does: the loss and the decision of a task."""

    def __init__(self, arch: Architecture, task: Task, pad_token: int) -> None:
        """`pad_token` fills batches."""
        self.arch = arch
        self._objective = OBJECTIVES[task]
        self._pad = pad_token

    def read(self, instances: Sequence[Instance]) -> Iterator[tuple[list[Instance], Reading]]:
        """Readings of instances, those with as many sequences together."""
        groups: dict[int, list[Instance]] = {}
        for instance in instances:
            groups.setdefault(len(instance.sequences), []).append(instance)
        for group in groups.values():
            batch = collate(group, self._pad, next(self.arch.model.parameters()).device)
            yield group, self._objective.read(self.arch, self.arch.final_states(batch.tokens), batch)


def train(reader: TaskReader, instances: Sequence[Instance], training: TrainingConfig, out: Path, show: bool) -> dict[str, float]:
    """Run HF Trainer over the instances; checkpoints lie beside `out` until it is done."""
    checkpoints = work_dir(out)
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
        log_level="error",
        dataloader_pin_memory=False,
    )
    data = [{"input_ids": max(i.sequences, key=len), "instance": i} for i in instances]  # the sampler sorts by these lengths
    with quiet_transformers(), progress("Fine-tuning", steps, "steps", enabled=show) as advance:
        trainer = ReadoutTrainer(
            model=reader.arch.model,
            args=arguments,
            train_dataset=data,
            data_collator=lambda rows: {"instances": [row["instance"] for row in rows]},
            callbacks=[Steps(advance), Keep(checkpoints, steps, training.keep_checkpoints)],
        )
        trainer.reader = reader
        trainer.remove_callback(PrinterCallback)
        result = trainer.train(resume_from_checkpoint=bool(list(checkpoints.glob("checkpoint-*"))))
    reader.arch.model.eval()
    return {"steps": result.global_step, "train_loss": result.training_loss}


class ReadoutTrainer(Trainer):  # type: ignore[misc]
    """Trainer whose loss reads the position that attribution reads."""

    reader: TaskReader

    def _get_train_sampler(self, train_dataset: Any = None) -> "EpochSampler":
        lengths = [len(row["input_ids"]) for row in train_dataset or self.train_dataset]
        return EpochSampler(self.args.train_batch_size, lengths, self.args.seed)

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
        """Mean cross-entropy of a batch.

        Raises:
            NumericError: it is not finite.
        """
        loss = torch.cat([reading.loss for _, reading in self.reader.read(inputs["instances"])]).mean()
        if not torch.isfinite(loss):
            raise NumericError(
                f"fine-tuning: the loss is {loss.item()} at step {self.state.global_step}; lower training.learning_rate"
            )
        return (loss, {}) if return_outputs else loss


class EpochSampler(LengthGroupedSampler):  # type: ignore[misc]
    """Batches of like length in an order that seed and epoch alone decide: a resumed training sees the same ones."""

    def __init__(self, batch_size: int, lengths: list[int], seed: int) -> None:
        """`lengths` of the instances."""
        super().__init__(batch_size, lengths=lengths, generator=torch.Generator())
        self._seed = seed
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Called by Trainer before each epoch."""
        self.generator.manual_seed(self._seed * 1_000_003 + epoch)


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


class Keep(TrainerCallback):  # type: ignore[misc]
    """Keeps the model at some evenly spaced steps, with the learning rate there: TracIn's checkpoints."""

    def __init__(self, directory: Path, steps: int, count: int) -> None:
        """`count` checkpoints over `steps`; the last step is the model itself."""
        self._directory = directory
        self._wanted = {round(steps * (number + 1) / (count + 1)) for number in range(count)}

    def on_step_end(
        self, args: Any, state: Any, control: Any, model: Any = None, lr_scheduler: Any = None, **kwargs: Any
    ) -> None:
        """Keep the model if this is one of the steps."""
        if state.global_step in self._wanted:
            with publish(self._directory / f"kept-{state.global_step:06d}") as directory, quiet_transformers():
                model.save_pretrained(directory)
                write_synced(directory / TRAINING_RECORD, dumps({"learning_rate": float(lr_scheduler.get_last_lr()[0])}))


def evaluate(
    reader: TaskReader, instances: Sequence[Instance], advance: Advance = lambda _count: None, budget: int = 4096
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Loss of the label [n], and whether it (for causal-lm: each token of the target) is the most probable [n]."""
    losses, right = np.zeros(len(instances)), np.zeros(len(instances), bool)
    place = {id(instance): row for row, instance in enumerate(instances)}
    with torch.no_grad():
        for rows in plan_batches([instance.tokens for instance in instances], budget):
            for group, reading in reader.read([instances[row] for row in rows]):
                at = [place[id(instance)] for instance in group]
                said = reading.predicted.tolist() if reading.greedy is None else reading.greedy
                losses[at] = reading.loss.double().cpu().numpy()
                right[at] = [answer == expected(instance) for answer, instance in zip(said, group, strict=True)]
            advance(len(rows))
    return losses, right


def expected(instance: Instance) -> int | list[int] | None:
    """The right answer: the label, or the target's tokens."""
    return list(instance.sequences[0][-instance.target :]) if instance.target else instance.label


def save(arch: Architecture, tokenizer: Any, config: Config, figures: Mapping[str, Any], out: Path) -> None:
    """Write model, tokenizer and the training's record, whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with publish(out) as directory, quiet_transformers():
        arch.model.save_pretrained(directory)  # type: ignore[operator]
        tokenizer.save_pretrained(directory)
        write_synced(directory / TRAINING_RECORD, dumps({"config": config.model_dump(mode="json"), **figures}))
        for kept in sorted(work_dir(out).glob("kept-*")):
            shutil.copytree(kept, directory / kept.name.replace("kept", "checkpoint"))
