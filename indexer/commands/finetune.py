"""The command `finetune`: a model trained on a configuration's corpus."""

from pathlib import Path
from typing import Annotated

import typer

from attridex.indexer.commands.options import ConfigPath, Json, emit, say


def finetune(
    config: ConfigPath,
    out: Annotated[Path, typer.Option("--out", help="Directory for the fine-tuned model.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Fine-tune a model on a configuration's corpus (its training section), rendered as the index renders it."""
    from attridex.indexer.config import load_config

    loaded = load_config(config)  # before what is slow to import: a typo is said at once
    from attridex.indexer.training import finetuning

    figures = finetuning.finetune(loaded, out)
    kept = [str(path) for path in sorted(out.glob("checkpoint-*"))]
    if as_json:
        emit({"model": str(out), **figures, "checkpoints": kept})
        return
    scores = ", ".join(f"{name} {value:.1%}" for name, value in figures.get("accuracy", {}).items())
    errors = ", ".join(f"{name} {value:.4g}" for name, value in figures.get("mean_squared_error", {}).items())
    say(f"{out}: {figures['instances']} instances, {figures['steps']} steps, loss {figures['train_loss']:.3f}")
    if scores:
        say(f"accuracy: {scores}")
    if errors:
        say(f"mean squared error: {errors}")
    if kept:
        say(f"model.checkpoints for TracIn: {', '.join(kept)}")
