"""A server that mends an index loads, reads and runs no more for it than it was started to."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attridex.indexer.index.verify import verify
from attridex.service.answering import lifecycle
from attridex.service.errors import DamagedIndexError
from attridex.service.storage.roots import Roots
from attridex.service.storage.store import Store
from tests.conftest import records, write_jsonl


@pytest.fixture
def grown(project: Callable[..., Path], attridex: Any, tmp_path: Path, model_dir: Callable[..., Path]) -> Path:
    """A directory with `index`, whose model, of 10 instances in `first` and 4 in `later`, all lie beside it."""
    model = shutil.copytree(model_dir("opt"), tmp_path / "model")
    config = project(count=10, model={"path": str(model), "trust_remote_code": True})
    (tmp_path / "first").mkdir()
    shutil.move(tmp_path / "train.jsonl", tmp_path / "first")
    config.write_text(config.read_text().replace('"train.jsonl"', '"first/train.jsonl"'))
    assert attridex("build", config, "--out", tmp_path / "index").code == 0
    (tmp_path / "later").mkdir()
    write_jsonl(tmp_path / "later" / "more.jsonl", records(14)[10:])
    ran = attridex("append", tmp_path / "index", tmp_path / "later" / "more.jsonl")
    assert ran.code == 0, ran.err
    return tmp_path


def mended(place: Path, shard: str, **how: Any) -> list[str]:
    """What a server, started like this, mends of a shard that loses a file; what is not mended is put back."""
    store = Store(place / "index", verify=False, **how)
    (path,) = (place / "index" / "shards").glob(f"{shard}*/norms.npy")
    content = path.read_bytes()
    path.unlink()
    try:
        return lifecycle.repair(store)
    finally:
        store.close()
        path.write_bytes(content)


def test_repair_signs_by_what_the_server_may_load_and_read_alone(grown: Path) -> None:
    first, later = "0000000005-", "0000000010-"
    known = [grown / name for name in ("index", "first", "later")]
    refused: list[tuple[str, str, dict[str, Any]]] = [
        (first, "Python code of its own", {"own_code": False, "model": False}),
        (first, r"model\.path: .*: outside", {"roots": Roots(known), "model": False}),
        (later, "Python code of its own", {"own_code": False, "model": False}),
        (later, r"corpus\.files: .*more\.jsonl: outside", {"roots": Roots([*known[:2], grown / "model"])}),
    ]
    for shard, words, how in refused:
        with pytest.raises(DamagedIndexError, match=f"cannot be signed again: .*{words}.* or mend it by `attridex repair`"):
            mended(grown, shard, **how)
    (grown / "model").rename(grown / "moved")
    with pytest.raises(DamagedIndexError, match="cannot be signed again"):
        mended(grown, first, model=False)
    place = grown / "moved"
    lines = mended(grown, later, roots=Roots([*known, place]), model=str(place))
    assert [line for line in lines if line.endswith("4 instances signed again")]
    assert [found.problem for found in verify(grown / "index") if found.problem] == []
