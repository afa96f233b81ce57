"""A PEFT adapter's directory given as the model, as transformers takes it too: it names its base model itself."""

import json
from pathlib import Path

from attridex.indexer.errors import InputError
from attridex.indexer.files import JsonObject

CONFIG = "adapter_config.json"
"""Lies in every adapter's directory."""


def with_base_model(data: JsonObject, base: Path) -> JsonObject:
    """Configuration data that gives base model and adapter apart.

    Args:
        data: of a configuration; its `model.path` may be an adapter's directory, where there is no `model.adapter`.
        base: directory from which its paths are seen.

    Raises:
        InputError: the adapter does not name its base model, or that is not there; or nobody may look into the directory.
    """
    model = data.get("model")
    if not isinstance(model, dict) or model.get("adapter") is not None or not isinstance(model.get("path"), str):
        return data
    directory = base / model["path"]
    try:
        is_adapter = (directory / CONFIG).is_file()
    except OSError as error:
        raise InputError(f"{directory}: cannot be read ({error.strerror})") from None
    if not is_adapter:
        return data
    return {**data, "model": {**model, "path": base_model(directory), "adapter": model["path"]}}


def base_model(directory: Path) -> str:
    """A directory, or a name on the Hub.

    Raises:
        InputError: the adapter names neither.
    """
    try:
        named = json.loads((directory / CONFIG).read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError):
        named = None
    advice = "give its base model as model.path and this as model.adapter"
    if not isinstance(named, str) or not named:
        raise InputError(f"{directory}: an adapter that does not name its base model; {advice}")
    if Path(named).is_dir():
        return str(Path(named).resolve())
    if Path(named).is_absolute() or named.startswith(".") or named.count("/") > 1:
        raise InputError(f"{directory}: an adapter of {named}, which is not there; {advice}")
    return named
