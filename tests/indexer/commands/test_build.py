"""The command `build`: what it says of a build and of a forecast."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attridex.indexer.building.forecast import Forecast
from attridex.indexer.commands.build import build, forecast_facts
from attridex.indexer.errors import InputError


def test_a_build_says_what_there_is_now(project: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(project(), tmp_path / "i")
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"{tmp_path / 'i'}: version 1, 12 instances (12 indexed now), ")
    assert line.endswith("KiB")


def test_a_typo_is_said_before_anything_is_loaded(project: Callable[..., Path], tmp_path: Path) -> None:
    config = project(neurons={"step": 3})
    for dry in (False, True):
        with pytest.raises(InputError, match=r"unknown key 'neurons\.step'"):
            build(config, tmp_path / "i", dry=dry)
    assert not (tmp_path / "i").exists()


@pytest.mark.parametrize("device", [0, 5 << 30])
def test_a_forecast_for_people_names_what_there_is(device: int) -> None:
    memory = {"model": 1 << 20, "pass": 0, "range": 2048, "process": 3, "host": 4 << 20, "device": device}
    seconds = {"reading": 1.0, "gradients": 60.0, "neurons": 7200.0, "total": 7261.0}
    found = Forecast(1234, 56789, 7, 64, 3, 100, {"gradients": 2048}, 1 << 30, memory, seconds, 0)
    facts = forecast_facts(found, Path("out"))
    assert facts["instances"] == "1,234 in 3 shards, 7 truncated"
    assert facts["memory of"] == "model 1.0 MiB, range 2.0 KiB, process 3 B"
    assert facts["time"] == "reading 1.0 s, gradients 60.0 s, neurons 2.0 h, total 2.0 h"
    assert facts["disk"] == "1.00 GiB, of which vectors: gradients 2.0 KiB"
    assert ("peak GPU memory" in facts) == bool(device)
    assert facts["pilot"] == "100 instances tried; nothing written to out"


def test_a_build_says_beforehand_what_neurons_cost(project: Callable[..., Path], tmp_path: Path, attridex: Any) -> None:
    config = project(count=6)
    said = attridex("build", config, "--out", tmp_path / "i").err
    assert 'by rule = "riemann" with 20 points; rule = "gradient" would take about' in on_neurons(said)
    assert "neurons" not in attridex("build", config, "--out", tmp_path / "i").err, "nothing is left to do"
    assert "neurons" not in attridex("build", project(neurons={"enabled": False}), "--out", tmp_path / "j").err
    fast = attridex("build", project(neurons={"rule": "gradient"}), "--out", tmp_path / "k").err
    assert on_neurons(fast).endswith('by rule = "gradient"')


def on_neurons(said: str) -> str:
    """The one line about them."""
    (line,) = [line for line in said.splitlines() if line.startswith("neurons")]
    return line
