"""The training itself: Hugging Face's Trainer with the loss that attribution reads, resumable, its checkpoints kept."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_pt_utils import LengthGroupedSampler

from attridex.indexer.config import TrainingConfig
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.errors import NumericError
from attridex.indexer.models.loading import quiet_transformers
from attridex.indexer.progress import Advance, progress
from attridex.indexer.training.evaluation import TaskReader
from attridex.indexer.training.keeping import KeepCheckpoints

LEAST_STEPS = 100
"""Steps between two checkpoints that a killed training goes on from, at least."""


def work_dir(out: Path) -> Path:
    """Where a training keeps what it resumes from, until it is done."""
    return out.with_name(f"{out.name}.checkpoints")


def train(
    reader: TaskReader, instances: Sequence[RenderedInstance], training: TrainingConfig, out: Path, show: bool
) -> dict[str, float]:
    """Run HF Trainer over the instances; checkpoints lie beside `out` until it is done.

    Args:
        reader: of the model, which is changed.
        instances: each with its label.
        training: the schedule.
        out: where the model will lie.
        show: whether progress is shown.
    """
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
        save_steps=max(LEAST_STEPS, steps // 5),
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
            callbacks=[Steps(advance), *([KeepCheckpoints(kept, checkpoints)] if (kept := training.keep_checkpoints) else [])],
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

        Args:
            model: that of the reader.
            inputs: the batch's instances.
            return_outputs: whether Trainer wants a pair.
            num_items_in_batch: not used: the mean is over instances.

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
        self._advance, self._seen = advance, 0

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move on by the steps done since the last call (more than one after a resume).

        Args:
            args: Trainer's arguments.
            state: where the training stands.
            control: not used.
            kwargs: what else Trainer tells.
        """
        self._advance(state.global_step - self._seen)
        self._seen = state.global_step
