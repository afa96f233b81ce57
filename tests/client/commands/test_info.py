"""`attridex info` names the methods that an index answers by, others' ones too."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from attridex.client.commands.info import in_short
from attridex.service.methods.registry import BUILT_IN
from attridex.v1.answers import Method, Setting
from attridex.v1.requests import METHODS


def test_a_method_is_shown_with_its_settings() -> None:
    assert in_short(Method("bm25", "words", "s", "f")) == "bm25"
    settings = (Setting("curvature", "which", "text"), Setting("damping", "how much", "number"))
    assert in_short(Method("influence", "gradients", "s", "f", settings)) == "influence (curvature, damping)"


def test_methods_are_a_fact_of_an_index(project: Callable[..., Path], attridex: Any, tmp_path: Path) -> None:
    index = tmp_path / "index"
    assert attridex("build", project(gradients={"curvature": ["fisher"]}), "--out", index).code == 0
    (facts,) = attridex("info", index, "--json").lines
    methods = {method["name"]: method for method in facts["methods"]}
    assert methods["grad-dot"]["missing"] == ""
    assert methods["tracin"]["missing"]
    assert {"version", "curvatures", "bytes", "manifest"} <= facts.keys()
    shown = " ".join(attridex("info", index).out.split())
    able, lacking = shown.split("not built for")
    assert "grad-dot" in able
    assert "tracin" not in able
    assert "tracin (model.checkpoints = [...]" in lacking


def test_the_names_in_the_contract_are_the_built_in_methods() -> None:
    assert tuple(method.name for method in BUILT_IN) == METHODS
