"""An index of an adapter: it is known again, its checkpoints are adapters too, and it answers."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from attridex.indexer.models.identity import model_hash
from tests.indexer.models.lora import (
    Made,
    rendered,
    signer,
)


def test_the_models_identity_follows_the_adapter(saved: Made, tmp_path: Path) -> None:
    base, adapter = saved("opt")
    config = signer(base, adapter).config.model
    before = model_hash(config)
    assert before != model_hash(config.model_copy(update={"adapter": None}))
    shutil.copytree(adapter, tmp_path / "moved")
    assert model_hash(config.model_copy(update={"adapter": str(tmp_path / "moved")})) == before
    path = adapter / "adapter_model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert model_hash(config) != before


def test_checkpoints_are_adapters_of_the_same_base(saved: Made, tmp_path: Path) -> None:
    base, adapter = saved("opt")
    shutil.copytree(adapter, tmp_path / "earlier")
    model = {"path": str(base), "adapter": str(adapter), "checkpoints": [str(tmp_path / "earlier")]}
    made = signer(base, adapter, model=model, gradients={"parameters": "adapter"})
    for signature in made.sign(rendered(made), tracin=True, neurons=False):
        np.testing.assert_allclose(signature.tracin, signature.gradient, rtol=1e-5)


def test_an_index_of_an_adapter_is_built_and_answers(
    saved: Made, project: Callable[..., Path], tmp_path: Path, attridex: Any
) -> None:
    base, adapter = saved("opt")
    gradients = {"parameters": "adapter", "curvature": ["fisher", "ekfac"]}
    config = project(model={"path": str(base), "adapter": "adapter"}, gradients=gradients)
    assert attridex("build", config, "--out", tmp_path / "i").code == 0
    assert attridex("info", tmp_path / "i", "--json").lines[0]["adapter"] == str(adapter)
    first = attridex("query", "ia", "--instance", "t3", "--index", tmp_path / "i", "--method", "grad-cos", "--json").lines[0]
    assert first["hits"][0]["id"] == "t3"
    for curvature in ("fisher", "ekfac"):
        method = ["--method", "influence", "--curvature", curvature]
        ran = attridex("query", "ia", "--queries", tmp_path / "queries.jsonl", "--index", tmp_path / "i", *method)
        assert ran.code == 0, ran.err
    for command in ("na", "ia-neurons", "na-instances"):
        ran = attridex("query", command, "--queries", tmp_path / "queries.jsonl", "--index", tmp_path / "i")
        assert ran.code == 0, ran.err
    path = adapter / "adapter_config.json"
    path.write_text(path.read_text() + "\n")
    ran = attridex("query", "ia", "--queries", tmp_path / "queries.jsonl", "--index", tmp_path / "i")
    assert "not the model that this index was built with" in ran.err
