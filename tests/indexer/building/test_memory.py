"""Memory is counted where it is taken."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from attridex.indexer.building import memory
from attridex.indexer.building.build import build
from attridex.indexer.building.dry_run import tried
from attridex.indexer.building.memory import watched
from attridex.indexer.config import load_config
from attridex.indexer.held.memory import resident
from attridex.indexer.index.layout import PLAN
from attridex.indexer.index.records import read_sealed


def test_a_peak_is_what_was_taken_in_between() -> None:
    with watched(torch.device("cpu")) as peak:
        block = np.ones(32 << 20, np.uint8)
        del block
    assert 30 << 20 <= peak.bytes < 200 << 20
    assert 0 < resident("VmRSS") <= resident("VmHWM")


@pytest.mark.parametrize(("free", "tokens"), [(1 << 40, 4096), (0, 64)])
def test_a_batch_fits_the_memory_that_is_free_when_the_build_begins(
    free: int, tokens: int, project: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    config = load_config(project(count=12, engine={"batch_tokens": "auto"}, neurons={"enabled": False}))
    monkeypatch.setattr(memory, "free_bytes", lambda _device: free)
    build(config, tmp_path / "i")
    assert f"batches of {tokens:,} tokens at most, by the memory that is free now" in capsys.readouterr().err
    assert read_sealed(tmp_path / "i" / PLAN)["engine.batch_tokens"] == tokens
    monkeypatch.setattr(memory, "free_bytes", lambda _device: 0 if free else 1 << 40)
    assert build(config, tmp_path / "i", show_progress=False).manifest.config.engine.batch_tokens == tokens, "it goes on as begun"
    again = tried(load_config(project(count=12, engine={"batch_tokens": tokens}, neurons={"enabled": False})), tmp_path / "i")
    assert again.build.plan.settings == read_sealed(tmp_path / "i" / PLAN), "the number is the same as one that is given"
