"""The model of a training on disk: where its own script saved it already, else beside the index's rows."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attridex.indexer.errors import InputError
from attridex.indexer.files import file_hash, publish
from attridex.indexer.models.adapters import FILES as ADAPTER_FILES
from attridex.indexer.models.adapters import NAME
from attridex.indexer.models.identity import TOKENIZER, WEIGHTS
from attridex.indexer.models.loading import quiet_transformers


@dataclass(frozen=True)
class SavedModel:
    """A model on disk.

    Attributes:
        path: its directory, seen from that of the configuration; of an adapter its base model's, or its name on the Hub.
        adapter: the adapter's directory, if it is one.
    """

    path: str
    adapter: str | None = None


def saved_model(model: Any, tokenizer: Any, output: Path, out: Path) -> SavedModel:
    """Save a trained model, unless its script did so already.

    Args:
        model: of the trainer, unwrapped.
        tokenizer: its tokenizer, which is saved with it.
        output: the trainer's `output_dir`.
        out: directory where it is saved if `output` does not hold it.

    Raises:
        InputError: an adapter whose base model lies nowhere.
    """
    base = base_of(model) if hasattr(model, "peft_config") else None
    with publish(out) as directory, quiet_transformers():
        model.save_pretrained(directory)
        tokenizer.save_pretrained(directory)
    place = out.name
    if holds(output, out):
        shutil.rmtree(out)
        place = str(output.resolve())
    return SavedModel(place) if base is None else SavedModel(base, place)


def holds(directory: Path, saved: Path) -> bool:
    """Whether a directory has the same files of a model and its tokenizer as another."""
    return all((directory / path.name).is_file() and same_bytes(directory / path.name, path) for path in model_files(saved))


def same_trees(one: Path, other: Path) -> bool:
    """Whether two directories hold the same files, byte for byte."""
    names = [sorted(path.relative_to(top) for path in top.rglob("*") if path.is_file()) for top in (one, other)]
    return names[0] == names[1] and all(same_bytes(one / name, other / name) for name in names[0])


def same_bytes(one: Path, other: Path) -> bool:
    """Whether two files have the same content."""
    return one.stat().st_size == other.stat().st_size and file_hash(one) == file_hash(other)


def model_files(directory: Path) -> Iterator[Path]:
    """Files of a model, an adapter and a tokenizer."""
    for pattern in (*WEIGHTS, *TOKENIZER, *ADAPTER_FILES):
        yield from directory.glob(pattern)


def base_of(model: Any) -> str:
    """Where the base model of an adapter lies: a directory or a name on the Hub.

    Raises:
        InputError: nowhere, or there are several adapters.
    """
    if list(model.peft_config) != [NAME]:
        names = ", ".join(model.peft_config)
        raise InputError(f"from_trainer: the model's adapters are {names}; one, called '{NAME}', can be indexed")
    path = model.peft_config[NAME].base_model_name_or_path
    if not path:
        raise InputError(
            "from_trainer: the adapter's base model was loaded from nowhere; save it, and load it by from_pretrained before the "
            "adapter is put on it"
        )
    return str(Path(path).resolve()) if Path(path).is_dir() else str(path)
