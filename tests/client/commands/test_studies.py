"""Results of studies on the terminal."""

from pathlib import Path
from typing import Any

import pytest

from attridex.client.commands.studies import cell, figure, show_tables
from tests.client.report.made import made_result


def test_a_mean_stands_with_its_interval() -> None:
    assert figure({"mean": None, "low": None, "high": None}) == "none"
    assert figure({"mean": 0.12345, "low": None}) == "0.123"
    assert figure({"mean": 0.5, "low": 0.25, "high": 0.75}) == "0.5 (0.25 to 0.75)"
    assert [cell(value) for value in (0.12345, 3, "x")] == ["0.123", "3", "x"]


def test_tables_and_notes_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"method": "grad-dot", "mean": 0.5, "low": 0.25, "high": 0.75, "n": 4}]
    show_tables(made_result(tmp_path, "overlap", title="Overlap", tables={"top_k": rows, "none": []}, notes=["a note"]))
    shown = capsys.readouterr().out
    assert [part for part in ("Overlap", "top k", "grad-dot", "0.5 (0.25 to 0.75)", "a note") if part not in shown] == []
    assert "low" not in shown


def test_tables_of_a_model_that_has_not_learned_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"method": "grad-dot", "mean": 0.5, "low": 0.25, "high": 0.75, "n": 4}]
    facts = {"majority": 0.5, "accuracy_of_halves": 0.4}
    show_tables(made_result(tmp_path, "lds", title="LDS", tables={"lds": rows}, facts=facts))
    shown = " ".join(capsys.readouterr().out.split())
    words = "the models retrained on halves do no better than always the most frequent label"
    assert f"warning: {words}" in shown
    assert f"lds; {words}" in shown


def test_an_unknown_study_is_refused_before_any_work(attridex: Any) -> None:
    ran = attridex("study", "lies", "--queries", "none.jsonl", "--out", "out")
    assert ran.code == 2
    assert "unknown study 'lies'; known: evidence" in ran.err
