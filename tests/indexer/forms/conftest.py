"""Helpers of the input forms' tests: corpora's settings, and models trained by plain Trainer scripts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers as hf

from attridex.indexer.config import CorpusConfig

QUIET: dict[str, Any] = {
    "per_device_train_batch_size": 2, "max_steps": 3, "learning_rate": 1e-2, "report_to": [], "disable_tqdm": True,
    "log_level": "error", "save_strategy": "no", "logging_strategy": "no", "use_cpu": True, "dataloader_pin_memory": False,
}  # fmt: skip
"""Arguments of a training of three steps that says nothing."""


def corpus(**settings: Any) -> CorpusConfig:
    """A corpus's settings."""
    return CorpusConfig.model_validate({"files": ["x.jsonl"], **settings})


@dataclass(frozen=True)
class Trained:
    """A training that is done, the rows of its dataset, and where its model lies: `place / "model"`."""

    trainer: Any
    rows: list[dict[str, Any]]
    place: Path
    task: str


def train(model: Any, rows: Sequence[dict[str, Any]], out: Path, tokenizer: Any, **more: Any) -> Any:
    """A plain Trainer script: three steps over rows, then the model and its tokenizer saved."""
    arguments = hf.TrainingArguments(output_dir=str(out.with_name("work")), **QUIET)
    trainer = hf.Trainer(model=model, args=arguments, train_dataset=list(rows), processing_class=tokenizer, **more)
    trainer.train()
    trainer.save_model(str(out))
    return trainer


def trainer_losses(trainer: Any, rows: Sequence[dict[str, Any]]) -> list[float]:
    """The trainer's own loss of each row alone, in evaluation mode."""
    trainer.model.eval()
    found = []
    for row in rows:
        inputs = trainer._prepare_inputs(trainer.data_collator([dict(row)]))
        with torch.no_grad():
            found.append(float(trainer.compute_loss(trainer.model, inputs)))
    return found
