"""Checkpoints of a model's training: TracIn takes gradients at each, weighted by the learning rate there."""

import json
from pathlib import Path

from attridex.indexer.config import ModelConfig
from attridex.indexer.errors import InputError
from attridex.indexer.files import TRAINING_RECORD


def at_checkpoint(model: ModelConfig, checkpoint: str) -> ModelConfig:
    """The same model at a checkpoint of its training: a model, or an adapter where the model has one."""
    return model.model_copy(update={"adapter": checkpoint} if model.adapter else {"path": checkpoint, "revision": None})


def checkpoint_rates(model: ModelConfig) -> list[float]:
    """TracIn's weight of each checkpoint: as configured, or the learning rate that `attridex finetune` wrote beside it; else 1.

    Raises:
        InputError: only some checkpoints say their learning rate.
    """
    if model.checkpoint_rates:
        return model.checkpoint_rates
    rates = [recorded_rate(Path(checkpoint)) for checkpoint in model.checkpoints]
    known = [rate for rate in rates if rate is not None]
    if len(known) == len(rates):
        return known
    if known:
        silent = model.checkpoints[rates.index(None)]
        raise InputError(f"model.checkpoints: {silent} does not say its learning rate as others do; give model.checkpoint_rates")
    return [1.0] * len(rates)


def recorded_rate(checkpoint: Path) -> float | None:
    """The learning rate at a checkpoint that `attridex finetune` kept."""
    path = checkpoint / TRAINING_RECORD
    rate = json.loads(path.read_text(encoding="utf-8")).get("learning_rate") if path.is_file() else None
    return None if rate is None else float(rate)
