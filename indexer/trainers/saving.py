"""The model of a training on disk: where its own script saved it already, else beside the index's rows."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attridex.indexer.adapter_paths import CONFIG as ADAPTER_CONFIG
from attridex.indexer.files import file_hash, publish
from attridex.indexer.models.adapters import FILES as ADAPTER_FILES
from attridex.indexer.models.identity import OTHER_TOKENIZERS, TOKENIZER, WEIGHTS
from attridex.indexer.models.loading import quiet_transformers
from attridex.indexer.trainers.trained import Trained


@dataclass(frozen=True)
class SavedModel:
    """A model on disk.

    Attributes:
        path: its directory, seen from that of the configuration; of an adapter its base model's, or its name on the Hub.
        adapter: the adapter's directory, if it is one.
    """

    path: str
    adapter: str | None = None


def saved_model(done: Trained, out: Path) -> SavedModel:
    """Save a trained model and its tokenizer in `out`, unless the trainer's `output_dir` holds the same files already."""
    with publish(out) as directory, quiet_transformers():
        done.model.save_pretrained(directory)
        done.tokenizer.save_pretrained(directory)
    place = out.name
    if holds(done.output, out):
        shutil.rmtree(out)
        place = str(done.output.resolve())
    return SavedModel(place) if done.base_path is None else SavedModel(done.base_path, place)


def holds(directory: Path, saved: Path) -> bool:
    """Whether a directory has the same files of a model and its tokenizer as another."""
    return all((directory / path.name).is_file() and same_bytes(directory / path.name, path) for path in model_files(saved))


def same_trees(one: Path, other: Path) -> bool:
    """Whether two directories hold the same files, byte for byte."""
    names = [sorted(path.relative_to(top) for path in top.rglob("*") if path.is_file()) for top in (one, other)]
    return names[0] == names[1] and all(same_bytes(one / name, other / name) for name in names[0])


def same_bytes(one: Path, other: Path) -> bool:
    """Whether two files have the same content; an adapter's settings hold sets, which are written in any order."""
    if one.name == ADAPTER_CONFIG:
        return settings_of(one) == settings_of(other)
    return one.stat().st_size == other.stat().st_size and file_hash(one) == file_hash(other)


def settings_of(path: Path) -> dict[str, Any]:
    """Settings of an adapter, whose lists are sets."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return {name: sorted(map(str, value)) if isinstance(value, list) else value for name, value in found.items()}


def model_files(directory: Path) -> Iterator[Path]:
    """Files of a model, an adapter and a tokenizer."""
    for pattern in (*WEIGHTS, *TOKENIZER, *OTHER_TOKENIZERS, *ADAPTER_FILES):
        yield from directory.glob(pattern)
