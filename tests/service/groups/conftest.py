"""One index for all tests of groups: nine shards, each text twice under two ids, so that scores tie across groups."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import records, write_jsonl, write_project


@pytest.fixture(scope="session")
def doubled(tmp_path_factory: pytest.TempPathFactory, model_dir: Callable[..., Path]) -> Path:
    """The index's directory; not to be changed."""
    from attridex.indexer.building.build import build
    from attridex.indexer.config import load_config
    from attridex.indexer.lifecycle.deleting import delete_ids

    directory = tmp_path_factory.mktemp("doubled")
    sections = {
        "gradients": {"curvature": ["fisher", "trak"]},
        "neurons": {"steps": 4},
        "index": {"shard_rows": 5, "approximate": ["sq8"]},
    }
    config = write_project(directory, model_dir("opt"), 1, "sequence-classification", sections)
    rows = records(22)
    write_jsonl(directory / "train.jsonl", [*({**row, "id": f"{row['id']}-b"} for row in reversed(rows)), *rows])
    build(load_config(config), directory / "index", show_progress=False)
    delete_ids(directory / "index", ["t3", "t7-b", "t20"])
    return directory / "index"
