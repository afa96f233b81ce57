"""A method of another package, all the way: told, listed, asked with its setting, compared by a study, and in its report."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from attridex.client import Client
from tests.conftest import Ran
from tests.service.methods.test_toy_method import TOY


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy, as pip leaves it."""
    information = tmp_path / "site/toy-1.dist-info"
    information.mkdir(parents=True)
    (tmp_path / "site/toy_chain.py").write_text(TOY)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1\n")
    (information / "entry_points.txt").write_text("[attridex.methods]\nshortest = toy_chain:METHOD\n")
    monkeypatch.syspath_prepend(tmp_path / "site")


@pytest.mark.usefixtures("installed")
def test_a_method_of_others_goes_all_the_way(project: Callable[..., Path], attridex: Callable[..., Ran], tmp_path: Path) -> None:
    index, queries, out = tmp_path / "index", tmp_path / "queries.jsonl", tmp_path / "studies"
    assert attridex("build", project(), "--out", index).code == 0

    with Client.local(index, model=False) as client:
        told = {method.name: method for method in client.get_index().method_details}["shortest"]
    assert [(setting.name, setting.default, setting.above) for setting in told.settings] == [("power", "1", 0)]

    assert "shortest (power)" in " ".join(attridex("info", index).out.split())

    asked = ("query", "ia", "--index", index, "--queries", queries, "--method", "shortest", "--json")
    plain, squared = (json.loads(attridex(*asked, *more).out.splitlines()[0]) for more in ((), ("--set", "power=2")))
    assert [-(hit["score"] ** 2) for hit in plain["hits"]] == [hit["score"] for hit in squared["hits"]]

    ran = attridex("study", "diversity", "--index", index, "--queries", queries, "--out", out)
    assert ran.code == 0, ran.err
    result = json.loads((out / "diversity/result.json").read_text())
    assert "shortest" in {row["method"] for rows in result["tables"].values() for row in rows if "method" in row}
    assert "shortest" in (out / "report.html").read_text()
