"""A model at another place: what moves with it, and what stays."""

from pathlib import Path

from attridex.indexer.adapter_paths import CONFIG
from attridex.indexer.config import Config
from attridex.indexer.lifecycle.moved_model import with_model


def config(**model: object) -> Config:
    return Config.model_validate({"model": {"path": "/old/model", **model}, "corpus": {"files": ["x.jsonl"], "text": "{t}"}})


def test_a_model_moves_with_the_checkpoints_below_it(tmp_path: Path) -> None:
    found = with_model(config(checkpoints=["/old/model/checkpoints/1", "/elsewhere/2"]), str(tmp_path)).model
    assert (found.path, found.checkpoints) == (str(tmp_path), [str(tmp_path / "checkpoints/1"), "/elsewhere/2"])
    assert with_model(config(), "owner/name").model.path == "owner/name"
    assert with_model(config(), None) == config()


def test_a_directory_of_an_adapter_stands_for_the_adapter(tmp_path: Path) -> None:
    (tmp_path / CONFIG).touch()
    found = with_model(config(adapter="/old/adapter", checkpoints=["/old/adapter/1"]), str(tmp_path)).model
    assert (found.path, found.adapter, found.checkpoints) == ("/old/model", str(tmp_path), [str(tmp_path / "1")])
