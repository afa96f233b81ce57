"""Indices of parts of a corpus, and what they answer."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from attridex.client import Client
from attridex.indexer.config import load_config
from attridex.indexer.renewal.building import build
from tests.conftest import SHOWN, records, write_jsonl, write_toml

METHODS = ("grad-dot", "grad-cos", "rep-sim", "influence", "trak", "bm25")
"""By what records are asked."""
CORPUS, BEGUN = 14, 10
"""Records of the whole corpus, and of the first build: two full shards."""
Rows = list[dict[str, Any]]
Build = Callable[..., Path]


@pytest.fixture(scope="session")
def begin(tmp_path_factory: pytest.TempPathFactory, model_dir: Callable[..., Path]) -> Build:
    """An index of some records, beside its configuration: a copy of one that is built once for what is given."""
    made: dict[str, Path] = {}

    def make(rows: Rows, **gradients: Any) -> Path:
        place = tmp_path_factory.mktemp("begun")
        write_jsonl(place / "train.jsonl", rows)
        sections: dict[str, dict[str, Any]] = {
            "model": {"path": str(model_dir("opt")), "task": "sequence-classification"},
            "corpus": {"files": ["train.jsonl"], "metadata": ["genre"], **SHOWN["sequence-classification"]},
            "gradients": {"curvature": ["fisher", "trak"], **gradients},
            "neurons": {"steps": 3},
            "index": {"shard_rows": 5, "approximate": ["sq8"]},
        }
        build(load_config(write_toml(place / "config.toml", sections)), place / "index", show_progress=False)
        return place

    def copy(rows: Rows, **gradients: Any) -> Path:
        key = json.dumps([rows, gradients])
        if key not in made:
            made[key] = make(rows, **gradients)
        return Path(shutil.copytree(made[key], tmp_path_factory.mktemp("copy"), dirs_exist_ok=True)) / "index"

    return copy


@pytest.fixture(scope="session")
def first(begin: Build) -> Path:
    """An index of the first ten records; not to be changed."""
    return begin(records(BEGUN))


@pytest.fixture(scope="session")
def whole(begin: Build) -> Path:
    """An index of all records, built from scratch; not to be changed."""
    return begin(records(CORPUS))


@pytest.fixture
def grown(first: Path, tmp_path: Path) -> Path:
    """A copy of the first index."""
    return Path(shutil.copytree(first, tmp_path / "grown"))


@pytest.fixture
def file_of(tmp_path: Path) -> Callable[[Rows], Path]:
    """A file of records."""
    return lambda rows: write_jsonl(tmp_path / f"of_{rows[0]['id']}_{len(rows)}.jsonl", rows)


def scores(index: Path, methods: Sequence[str] = METHODS, **asked: Any) -> dict[str, dict[str, float]]:
    """The scores of all live instances by every method and by shared neurons, for two records, by "method/query"."""
    found = {}
    with Client.local(index) as client:
        k = client.get_index().instances
        for method in methods:
            answer = client.attribute_instances(records(2), k=k, method=method, **asked)
            for result in answer.results:
                found[f"{method}/{result.query_id}"] = {hit.id: hit.score for hit in result.hits}
        for shared in client.find_instances_by_neurons(records(2), k=k).results:
            found[f"dcns/{shared.query_id}"] = {hit.id: hit.score for hit in shared.hits}
    return found
