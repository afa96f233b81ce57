"""What is no adapter, or does not fit its base model, is refused in a line."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest

from tests.indexer.models.lora import (
    Made,
)


def refused(ran: Any, *words: str, code: int = 2) -> None:
    assert ran.code == code, ran.err
    assert len(ran.err.splitlines()) == 1
    for word in words:
        assert word in ran.err


def broken(adapter: Path, how: str) -> None:
    """Spoil an adapter in one way."""
    settings = json.loads((adapter / "adapter_config.json").read_text())
    weights = peft.utils.load_peft_weights(str(adapter), device="cpu")
    if how == "no settings":
        (adapter / "adapter_config.json").unlink()
        return
    if how == "no weights":
        (adapter / "adapter_model.safetensors").unlink()
        return
    if how == "unreadable":
        (adapter / "adapter_model.safetensors").write_bytes(b"no tensors")
        return
    if how == "other kind":
        settings["peft_type"] = "IA3"
    elif how == "activated":
        settings["alora_invocation_tokens"] = [3, 4]
    elif how == "no such layer":
        settings["target_modules"] = ["nowhere"]
    elif how == "other size":
        settings["r"] = 2
    elif how == "weight lost":
        del weights[next(name for name in weights if "lora_B" in name)]
    elif how == "head lost":
        del weights["base_model.model.score.weight"]
    elif how == "not a number":
        next(value for name, value in weights.items() if "lora_B" in name)[0] = float("nan")
    elif how == "no JSON":
        settings = None
    (adapter / "adapter_config.json").write_text(json.dumps(settings))
    save = importlib.import_module("safetensors.torch").save_file
    save(weights, adapter / "adapter_model.safetensors", {"format": "pt"})


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("no settings", ["no PEFT adapter there", "model.adapter"]),
        ("no weights", ["has no weights"]),
        ("unreadable", ["cannot be read"]),
        ("other kind", ["of kind IA3", "LORA"]),
        ("activated", ["activated LoRA"]),
        ("no such layer", ["does not fit the base model"]),
        ("other size", ["does not fit the base model"]),
        ("weight lost", ["has no weight", "lora_B"]),
        ("head lost", ["trained score.weight", "modules_to_save"]),
        ("not a number", ["cannot be merged"]),
        ("no JSON", ["not the settings of a PEFT adapter"]),
    ],
)
def test_a_broken_adapter_is_refused(
    how: str, words: list[str], saved: Made, project: Callable[..., Path], tmp_path: Path, attridex: Any
) -> None:
    base, adapter = saved("opt")
    broken(adapter, how)
    config = project(model={"path": str(base), "adapter": str(adapter)})
    refused(attridex("build", config, "--out", tmp_path / "i"), *words)
    assert not (tmp_path / "i").exists()


def test_misplaced_and_missing_adapters_are_refused(
    saved: Made, project: Callable[..., Path], tmp_path: Path, attridex: Any
) -> None:
    base, adapter = saved("opt")
    for sections, words in [
        ({"gradients": {"parameters": "adapter"}}, ["there is no adapter", "model.adapter"]),
        ({"model": {"path": str(adapter), "adapter": str(adapter)}}, ["a PEFT adapter", "base model as model.path"]),
        ({"model": {"path": str(base), "adapter": "./nowhere"}}, ["no such adapter directory"]),
        ({"model": {"path": str(base), "adapter": "some/adapter"}}, ["not to be had from the Hub"]),
    ]:
        refused(attridex("build", project(**sections), "--out", tmp_path / "i"), *words)


def test_without_peft_the_extra_is_named(
    saved: Made, project: Callable[..., Path], tmp_path: Path, attridex: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, adapter = saved("opt")
    config = project(model={"path": str(base), "adapter": str(adapter)})
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "peft" else find(name, *rest))
    refused(attridex("build", config, "--out", tmp_path / "i"), "attridex[adapters]", code=1)
