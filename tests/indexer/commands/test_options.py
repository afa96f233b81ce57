"""Lines and tables."""

import json

import pytest

from attridex.indexer.commands.options import emit, say, show_facts, show_rows


def test_people_read_stderr_and_programs_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    say("a line")
    emit({"text": "ä", "list": [1, None]})
    said = capsys.readouterr()
    assert said.err == "a line\n"
    assert said.out == '{"text": "ä", "list": [1, null]}\n'
    assert json.loads(said.out)["list"] == [1, None]


def test_tables_hold_every_value(capsys: pytest.CaptureFixture[str]) -> None:
    show_facts({"left out": "3", "model": "m"})
    assert capsys.readouterr().out.split() == ["left", "out", "3", "model", "m"]
    show_rows([{"mean_score": 0.123456, "kept": 7}, {"mean_score": 1e-9, "kept": 8}])
    assert capsys.readouterr().out.split() == ["mean", "score", "kept", "0.1235", "7", "1e-09", "8"]
    wide = {f"number_{number}": 1.23e-7 for number in range(20)}
    show_rows([{**wide, "at_most": 2}])
    printed = capsys.readouterr().out
    assert (printed.count("1.23e-07"), "most" in printed) == (len(wide), True)
    show_rows([])
    assert capsys.readouterr().out == ""
