"""An adapter's directory given as the model is taken as transformers takes it: its base model is the one it names."""

import json
from pathlib import Path

import pytest

from attridex.indexer.config import Config, parse_config
from attridex.indexer.errors import InputError


def configured(tmp_path: Path, **model: str) -> Config:
    data = {
        "model": {"path": "adapter", **model},
        "corpus": {"files": ["x.jsonl"], "text": "{text}"},
        "gradients": {"parameters": "adapter"},
    }
    return parse_config(data, "c.toml", tmp_path)


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """Settings of an adapter whose base model lies beside it."""
    (tmp_path / "x.jsonl").touch()
    (tmp_path / "base").mkdir()
    (tmp_path / "adapter").mkdir()
    return named(tmp_path, str(tmp_path / "base"))


def named(tmp_path: Path, base: object) -> Path:
    (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base}))
    return tmp_path / "adapter"


def test_the_adapter_names_its_base_model(adapter: Path, tmp_path: Path) -> None:
    model = configured(tmp_path).model
    assert (model.path, model.adapter) == (str(tmp_path / "base"), str(adapter))


def test_a_base_model_on_the_hub_is_one(adapter: Path, tmp_path: Path) -> None:
    named(tmp_path, "someone/some-base")
    assert configured(tmp_path).model.path == "someone/some-base"


def test_what_the_configuration_says_wins(adapter: Path, tmp_path: Path) -> None:
    (tmp_path / "moved").mkdir()
    named(tmp_path, "/nowhere/base")
    assert configured(tmp_path, path="moved", adapter="adapter").model.path == str(tmp_path / "moved")


@pytest.mark.parametrize("base", ["/nowhere/base", "./base/gone", "a/b/c", None, ""], ids=str)
def test_a_base_model_that_is_not_there_is_refused(adapter: Path, tmp_path: Path, base: str | None) -> None:
    named(tmp_path, base)
    with pytest.raises(InputError, match=r"give its base model as model\.path and this as model\.adapter"):
        configured(tmp_path)
