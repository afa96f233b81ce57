"""What is compacted answers as an index that never had the deleted rows, or says what does not; readers keep what they read."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attridex.indexer import from_trainer
from attridex.indexer.building import ranges
from attridex.indexer.config import load_config
from attridex.indexer.errors import DamageError
from attridex.indexer.held.locks import hold
from attridex.indexer.index.arrays import read_tensors
from attridex.indexer.index.directory import list_versions, read_current, read_manifest
from attridex.indexer.index.layout import CURVATURE, version_dir
from attridex.indexer.index.records import Manifest
from attridex.indexer.index.tables import read_table
from attridex.indexer.lifecycle.deleting import delete_ids, delete_rows
from attridex.indexer.lifecycle.liveness import read_deleted
from attridex.indexer.lifecycle.versions import activate, prune
from attridex.indexer.renewal.building import build
from attridex.indexer.renewal.compaction import compact
from attridex.indexer.renewal.repair import repair
from tests.conftest import records, write_jsonl
from tests.indexer.renewal.conftest import SECTIONS, flip, problems
from tests.indexer.trainers.scripts import SMALL, classifier, language_model

CURVATURES = ["ekfac", "fisher", "hessian", "kfac"]


def served(index: Path) -> Manifest:
    return read_manifest(index, read_current(index))


def curvature(index: Path) -> dict[str, Any]:
    return read_tensors(version_dir(index, read_current(index)) / CURVATURE)


def test_curvature_is_that_of_what_is_left_and_factors_say_of_what_they_are(
    project: Callable[..., Path], tmp_path: Path, attridex: Any
) -> None:
    config = load_config(project(count=12, gradients={"curvature": CURVATURES}, neurons={"steps": 3}))
    index, fresh = tmp_path / "index", tmp_path / "fresh"
    build(config, index, show_progress=False)
    before = curvature(index)
    delete_ids(index, ["t1", "t7", "t8"])
    assert "K-FAC's factors are of 12 instances, 3 of which were removed" in attridex("compact", index).err
    after = curvature(index)
    write_jsonl(tmp_path / "train.jsonl", [row for row in records(12) if row["id"] not in ("t1", "t7", "t8")])
    build(config, fresh, show_progress=False)
    anew = curvature(fresh)
    for name in after:
        kind, _, what = name.split(".")
        if kind in ("factors", "kfac"):
            np.testing.assert_array_equal(after[name], before[name], name)  # of all that were signed
        elif kind in ("fisher", "hessian") and what == "values":
            np.testing.assert_allclose(after[name], anew[name], rtol=1e-4, atol=1e-6 * float(anew[name].max()), err_msg=name)
    assert {name for name in after if name.startswith("ekfac") and np.array_equal(after[name], before[name])} == set()
    assert (served(index).factors_of, served(fresh).factors_of) == (12, 0)
    assert "of 12 instances" in attridex("info", index, "--json").lines[0]["factors"]
    delete_ids(index, ["t2"])
    compact(index)
    assert (served(index).factors_of, served(index).instances) == (12, 8)
    flip(next(index.glob("shards/0000000000*.1.2/factors.safetensors")))
    write_jsonl(tmp_path / "train.jsonl", records(12))
    assert repair(index)
    assert (problems(index), served(index).factors_of) == ([], 12)


def test_a_version_that_is_read_stays_and_is_told(built: Path, attridex: Any) -> None:
    with closing(hold(version_dir(built, "1"))):
        assert attridex("compact", built, "--json").lines == [{"index": str(built), "version": "2", "removed": 2, "held": ["1"]}]
        assert "0 versions removed; version 1 is still read" in attridex("prune", built).err
        assert list_versions(built) == ["1", "2"]
        assert problems(built) == []
        activate(built, "1")
        assert read_deleted(built, "1") == {1, 7}
    activate(built, "2")
    assert prune(built) == (["1"], [])
    assert problems(built) == []


def test_a_build_that_asks_for_a_structure_gives_a_compacted_index_one(built: Path, project: Callable[..., Path]) -> None:
    compact(built)
    wider = load_config(project(count=12, **SECTIONS, index={"approximate": ["sq8"]}))
    done = build(wider, built, show_progress=False)
    assert (done.signed, done.manifest.instances, served(built)) == (0, 10, done.manifest)
    assert "sq8/fisher" in done.manifest.recall
    assert build(wider, built, show_progress=False).manifest == done.manifest
    assert problems(built) == []


def test_a_build_of_a_whole_index_reads_its_files_once(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "check_shard", lambda *_: pytest.fail("read again"))
    assert build(load_config(tmp_path / "config.toml"), built, show_progress=False).signed == 0


@pytest.mark.parametrize("script", [classifier, language_model])
def test_rows_of_a_training_leave_the_index_with_what_is_deleted(script: Callable[[Path], Any], tmp_path: Path) -> None:
    trainer, index = script(tmp_path / "out"), tmp_path / "index"
    trainer.train()
    from_trainer(trainer, index, settings=SMALL, show_progress=False)
    delete_ids(index, ["2"])
    delete_rows(index, [4])
    done, rows = compact(index), read_table(index / "source" / "rows.parquet", ["id"])["id"].to_pylist()
    assert (done.removed, problems(index), {"2", "4"} & {*rows}) == (2, [], set())
    assert len(rows) == served(index).instances
    assert build(load_config(index / "source" / "config.toml"), index, show_progress=False).signed == 0
    flip(next(index.glob("versions/*/catalog.duckdb")))
    assert repair(index)
    flip(next(index.glob("shards/*/gradients.faiss")))
    with pytest.raises(DamageError, match="cannot be signed again"):
        repair(index)
