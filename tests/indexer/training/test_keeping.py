"""Checkpoints that a callback keeps of any Trainer: evenly spaced, of this training alone, each with its learning rate."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers as hf
from torch import nn

from attridex.indexer.errors import InputError
from attridex.indexer.models.checkpoints import recorded_rate
from attridex.indexer.training.keeping import KeepCheckpoints, check_whole
from tests.conftest import tiny_model

MODEL = tiny_model("opt", "causal-lm")


def trained(callback: KeepCheckpoints, steps: range, out: Path, last: int = 12, *, first_process: bool = True) -> list[str]:
    """Run a callback through some steps of a training; the names of what it kept."""
    arguments = SimpleNamespace(output_dir=str(out))
    state = SimpleNamespace(global_step=steps.start, max_steps=last, is_world_process_zero=first_process)
    callback.on_train_begin(arguments, state, None)
    for step in steps:
        state.global_step = step + 1
        rate: Any = SimpleNamespace(get_last_lr=lambda step=step: [1.0 / (step + 1)])
        callback.on_step_end(arguments, state, None, model=MODEL, lr_scheduler=rate)
    return [Path(path).name for path in callback.kept]


def test_checkpoints_are_evenly_spaced_before_the_last_step_and_say_their_rate(tmp_path: Path) -> None:
    callback = KeepCheckpoints(3)
    assert callback.kept == []
    assert trained(callback, range(12), tmp_path) == ["kept-000003", "kept-000006", "kept-000009"]
    assert [recorded_rate(Path(path)) for path in callback.kept] == pytest.approx([1 / 3, 1 / 6, 1 / 9])
    assert all(hf.AutoModelForCausalLM.from_pretrained(path) is not None for path in callback.kept)


def test_a_training_that_goes_on_keeps_what_was_kept_and_a_new_one_does_not(tmp_path: Path) -> None:
    assert trained(KeepCheckpoints(3), range(8), tmp_path) == ["kept-000003", "kept-000006"]
    assert trained(KeepCheckpoints(3), range(4, 12), tmp_path) == ["kept-000003", "kept-000006", "kept-000009"]
    assert trained(KeepCheckpoints(1), range(12), tmp_path) == ["kept-000006"]
    assert trained(KeepCheckpoints(1), range(12), tmp_path / "other", first_process=False) == []


def test_less_than_one_checkpoint_is_refused() -> None:
    with pytest.raises(InputError, match="at least one"):
        KeepCheckpoints(0)


class FullyShardedDataParallel(nn.Module):
    """Is called as the wrapper of PyTorch."""

    def __init__(self) -> None:
        """Wrap a layer."""
        super().__init__()
        self.inner = nn.Linear(2, 2)


def test_models_that_lie_in_several_places_are_refused() -> None:
    check_whole(nn.Linear(2, 2), "here")
    partitioned = nn.Linear(2, 2)
    partitioned.weight.ds_id = 0  # type: ignore[attr-defined]
    with torch.device("meta"):
        offloaded = nn.Linear(2, 2)
    for model in (FullyShardedDataParallel(), partitioned, offloaded):
        with pytest.raises(InputError, match=r"^here: the model is sharded or offloaded"):
            check_whole(model, "here")
