"""The commands `info` and `versions`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attridex.indexer.commands.facts import summary
from attridex.indexer.commands.info import show_info, versions
from attridex.indexer.held.locks import hold
from attridex.indexer.index.directory import read_manifest
from attridex.indexer.index.layout import version_dir


def test_info_says_the_summary_and_more_and_as_json_the_manifest(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = read_manifest(old, "2")
    show_info(old, lambda read: {"more": read.version}, as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert said.pop("manifest") == json.loads(json.dumps(manifest.model_dump(mode="json")))
    assert said.pop("bytes") > 10_000
    assert said == {**summary(manifest, old), "more": "2"}
    show_info(old, lambda _read: {"more": ["x"]}, as_json=False)
    shown = " ".join(capsys.readouterr().out.split())
    for words in ("more x", "instances 41", "left out 0", "KiB", "curvatures ekfac, fisher, hessian, kfac, trak"):
        assert words in shown


def test_versions_marks_the_current_one(old: Path, attridex: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    versions(old)
    lines = capsys.readouterr().out.splitlines()
    assert [line[: line.index("  2026")] for line in lines] == ["  1  42 instances", "* 2  41 instances, 1 deleted"]
    reader = hold(version_dir(old, "1"))
    rows = attridex("versions", old, "--json").lines
    reader.close()
    assert [(row["version"], row["current"], row["instances"], row["deleted"]) for row in rows] == [
        ("1", False, 42, 0),
        ("2", True, 41, 1),
    ]
    assert [(row["read"], row["added"]) for row in rows] == [(True, []), (False, [])]


def test_versions_names_one_that_is_damaged_and_lists_the_others(old: Path, attridex: Callable[..., Any]) -> None:
    (version_dir(old, "1") / "manifest.json").write_text("{")
    ran = attridex("versions", old)
    assert ran.code == 1
    assert "manifest.json: damaged" in ran.out.splitlines()[0]
    assert ran.out.splitlines()[1].startswith("* 2  41 instances")
    assert "1 versions cannot be read; `attridex repair" in ran.err


def test_where_there_is_no_index_it_is_said(tmp_path: Path, attridex: Callable[..., Any]) -> None:
    for command in ("info", "versions"):
        ran = attridex(command, tmp_path)
        assert ran.code == 2
        assert "no attridex index there" in ran.err
