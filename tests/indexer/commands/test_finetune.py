"""The command `finetune`: what it says of a training."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from attridex.indexer.commands.finetune import finetune
from attridex.indexer.training import finetuning


def test_figures_are_said_and_kept_checkpoints_named(
    project: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = {"instances": 12, "steps": 6, "train_loss": 0.5, "accuracy": {"train": 0.75}}
    monkeypatch.setattr(finetuning, "finetune", lambda _config, _out: figures)
    (tmp_path / "m" / "checkpoint-000003").mkdir(parents=True)
    finetune(project(), tmp_path / "m")
    assert capsys.readouterr().err.splitlines() == [
        f"{tmp_path / 'm'}: 12 instances, 6 steps, loss 0.500",
        "accuracy: train 75.0%",
        f"model.checkpoints for TracIn: {tmp_path / 'm' / 'checkpoint-000003'}",
    ]
    finetune(project(), tmp_path / "m", as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert said == {"model": str(tmp_path / "m"), **figures, "checkpoints": [str(tmp_path / "m" / "checkpoint-000003")]}
