"""The configuration of an index of a training: what a trainer's model says of itself, and what the script asks for."""

from collections.abc import Mapping
from typing import Any

from attridex.indexer.models.sources import load_hf_config
from attridex.indexer.models.tokenizers import UNCUT
from attridex.indexer.trainers.saving import SavedModel
from attridex.indexer.trainers.source import ROWS
from attridex.indexer.trainers.trained import Trained

NO_LIMIT = 1 << 20
"""A tokenizer that gives more than so many tokens as its longest text gives none."""


def model_settings(done: Trained, saved: SavedModel, longest: int) -> dict[str, Any]:
    """The [model] section.

    Args:
        done: the training.
        saved: where its model lies.
        longest: tokens of the longest row.
    """
    return {
        "path": saved.path,
        "adapter": saved.adapter,
        "quantization": quantised(done, saved),
        "task": done.task,
        "trust_remote_code": own_code(done),
        "dtype": str(done.base.dtype).removeprefix("torch."),
        "max_length": max(2, longest, accepted(done)),
        "checkpoints": list(done.checkpoints),
    }


def quantised(done: Trained, saved: SavedModel) -> dict[str, Any] | None:
    """How the base model was quantised as it was loaded; None where it is not, or lies there quantised."""
    settings = getattr(done.base.config, "quantization_config", None)
    if (
        settings is None
        or getattr(load_hf_config(saved.path, None, remote_code=own_code(done)), "quantization_config", None) is not None
    ):
        return None
    given: dict[str, Any] = settings if isinstance(settings, dict) else settings.to_dict()
    return {name: value for name, value in given.items() if value is not None and not name.startswith("_")}


def own_code(done: Trained) -> bool:
    """Whether the model's or its tokenizer's code came with it, and has run in the script already."""
    return any(type(each).__module__.startswith("transformers_modules.") for each in (done.base, done.tokenizer))


def accepted(done: Trained) -> int:
    """Tokens that the tokenizer says a text may have, for queries and later records that are longer than every row.

    Where it says nothing that is what any corpus may have; nothing is longer than the model itself takes.
    """
    limit = int(min(done.tokenizer.model_max_length, NO_LIMIT))
    return UNCUT if limit == NO_LIMIT else limit


def corpus_settings(done: Trained) -> dict[str, Any]:
    """The [corpus] section; an adapter's directory does not name the model's outputs, so that they are named here."""
    named = done.adapted and "classification" in done.task
    labels = [str(name) for _, name in sorted(done.base.config.id2label.items())] if named else None
    learned = True if done.task == "causal-lm" else None  # the collator's labels say it of each token
    return {"files": [ROWS], "encoded": True, "id": "id", "label": "labels", "labels": labels, "loss_on_padding": learned}


def merged_settings(*parts: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Sections of several configurations, a later one's keys before an earlier's."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: {key: value for part in parts for key, value in part.get(name, {}).items()} for name in names}
