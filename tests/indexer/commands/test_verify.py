"""The command `verify`."""

import json
from pathlib import Path

import pytest

from attridex.indexer.commands.verify import verify
from attridex.indexer.errors import DamageError
from attridex.indexer.index.layout import LOCK


def test_a_whole_index_is_said_to_be_whole(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verify(old)
    files = [path for path in old.rglob("*") if path.is_file() and path.name != LOCK]
    assert capsys.readouterr().err == f"{old}: {len(files)} files, all as they were written\n"
    verify(old, as_json=True)
    said = capsys.readouterr()
    assert json.loads(said.out)["problems"] == []
    assert said.err == ""


def test_every_problem_is_said_and_the_code_is_1(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = sorted(old.glob("shards/*/norms.npy"))[:2]
    for path in paths:
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamageError, match=r"2 of \d+ files are not what was written") as raised:
        verify(old, as_json=True)
    assert raised.value.exit_code == 1
    said = capsys.readouterr()
    assert [problem["file"] for problem in json.loads(said.out)["problems"]] == list(map(str, paths))
    assert [line.startswith("error: ") for line in said.err.splitlines()] == [True, True]
