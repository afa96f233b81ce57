"""The command `neurons`."""

from pathlib import Path

import pytest

from attridex.indexer.commands.neurons import neurons


def test_a_table_for_people_and_lines_for_programs(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    neurons(old, top=3)
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 4
    assert said.out.split()[:2] == ["layer", "unit"]
    assert "stale: counted over 42 instances, 1 of which are deleted, and not over 0 that are live" in said.err
    neurons(old, top=3, as_json=True)
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_nothing_found_is_said(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    neurons(old, label="yes", min_kept=99)
    assert "no neuron is kept that often; lower --min-kept 99" in capsys.readouterr().err
