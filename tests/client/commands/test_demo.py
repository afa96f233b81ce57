"""`attridex demo` hands its options on."""

from pathlib import Path
from typing import Any

import pytest

from attridex.client.commands import demo as command
from attridex.client.demo import run


def test_options_are_handed_on(attridex: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(run, "run_demo", lambda *given: asked.append(given))
    assert attridex("demo", "--out", "there", "--seed", 3).code == 0
    assert attridex("demo").code == 0
    assert asked == [(Path("there"), 3), (Path("attridex-demo"), 0)]
    assert attridex("demo", "--seed", -1).code == 2
    assert command.demo.__doc__
