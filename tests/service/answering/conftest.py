"""One index for all tests of the use cases, asked without a wire."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from attridex.service.answering.call import Call
from attridex.service.answering.served import ServedIndex
from attridex.service.caller import Caller


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, model_dir: Callable[..., Path]) -> Iterator[ServedIndex]:
    """An index of 30 instances, open with its model."""
    from attridex.indexer.building.build import build
    from attridex.indexer.config import parse_config
    from attridex.service.edge.server import open_index
    from tests.conftest import SHOWN, records, write_jsonl

    directory = tmp_path_factory.mktemp("served")
    write_jsonl(directory / "train.jsonl", records(30))
    data = {
        "model": {"path": str(model_dir("opt"))},
        "corpus": {"files": ["train.jsonl"], "metadata": ["genre"], **SHOWN["sequence-classification"]},
        "gradients": {"curvature": ["fisher", "hessian"]},
        "neurons": {"steps": 4},
        "index": {"shard_rows": 7},
    }
    build(parse_config(data, "test", directory), directory / "index", show_progress=False)
    index = open_index(directory / "index", "mine")
    yield index
    index.close()


@pytest.fixture
def call(served: ServedIndex) -> Iterator[Call]:
    """A request's context."""
    with served.store.version() as version:
        yield Call(served.tools, version, Caller())
