"""An index whose model was moved: the option that says where it is, and the hashes by which it is known again."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attridex.client import Client
from attridex.indexer.config import load_config
from attridex.indexer.errors import InputError
from attridex.indexer.index.directory import read_manifest
from attridex.indexer.renewal.building import build as build_index
from attridex.service.edge.server import parse_models
from tests.conftest import records, write_jsonl
from tests.indexer.renewal.conftest import flip, problems

Place = tuple[Path, Path, Path]
"""An index, where its model lies now, and another model."""


@pytest.fixture
def moved(project: Callable[..., Path], model_dir: Callable[..., Path], tmp_path: Path) -> Place:
    """See `Place`; the model was moved after the build."""
    shutil.copytree(model_dir("opt"), tmp_path / "model")
    build_index(load_config(project(model={"path": "model"})), tmp_path / "index", show_progress=False)
    shutil.copytree(tmp_path / "model", tmp_path / "other")
    (tmp_path / "other" / "config.json").write_text((tmp_path / "model" / "config.json").read_text() + "\n")
    (tmp_path / "model").rename(tmp_path / "new")
    return tmp_path / "index", tmp_path / "new", tmp_path / "other"


def test_commands_find_a_moved_model_by_the_option_and_know_it_by_its_hash(moved: Place, attridex: Any, tmp_path: Path) -> None:
    index, new, other = moved
    own = read_manifest(index, "1").model.hash
    hashes = re.compile(rf"[0-9a-f]{{64}}.*{own}|{own}.*[0-9a-f]{{64}}")
    query = ("query", "ia", "--queries", tmp_path / "queries.jsonl", "--index", index, "--json")
    build = ("build", tmp_path / "config.toml", "--out", index)
    append = ("append", index, write_jsonl(tmp_path / "more.jsonl", records(13)[12:]))
    flip(next(index.glob("shards/*/gradients.faiss")))
    for command in (("show", index), ("repair", index), build, append, query):
        missing, wrong = attridex(*command), attridex(*command, "--model", other)
        assert min(missing.code, wrong.code) > 0
        assert "no such model directory (model.path, or --model where it lies now)" in missing.err
        assert hashes.search(wrong.err)
        assert len(wrong.err.splitlines()) == 1
        assert attridex(*command, "--model", new).code == 0
        assert command[0] == "show" or problems(index) == []
    assert "it is for --index" in attridex(*query[:4], "--server", "localhost:1", "--model", new).err


def test_in_python_and_of_several_indices_a_place_is_given_for_each(moved: Place) -> None:
    index, new, _ = moved
    with Client.local(index, model=str(new)) as client:
        assert client.get_index().instances == 12
    assert parse_models([str(new)], ["a"]) == {"a": str(new)}
    assert parse_models(["a=x", "b=y"], ["a", "b"]) == {"a": "x", "b": "y"}
    for given in (["x"], ["c=x"], ["a="], ["a=x", "a=y"]):
        with pytest.raises(InputError, match="write NAME=PATH, once an index, where NAME is one of a, b"):
            parse_models(given, ["a", "b"])
