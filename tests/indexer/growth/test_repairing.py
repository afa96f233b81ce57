"""Batches are mended as the first build is, and a writer that is cut off anywhere leaves the index as it was, or finishes."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attridex.indexer.errors import DamageError
from attridex.indexer.growth.appending import Appender
from attridex.indexer.index.directory import read_current, read_manifest
from attridex.indexer.index.layout import PLAN, SIDECAR
from attridex.indexer.index.tables import read_table
from attridex.indexer.lifecycle.deleting import delete_ids
from attridex.indexer.lifecycle.liveness import columns_of, read_deleted
from attridex.indexer.renewal.compaction import compact
from attridex.indexer.renewal.repair import repair
from tests.conftest import records
from tests.indexer.growth.conftest import BEGUN, CORPUS, Rows
from tests.indexer.renewal.conftest import copies, flip, lose, problems

File = Callable[[Rows], Path]
CHANGED = [{**records(4)[3], "premise": "cat ran"}, records(3)[2]]


@pytest.fixture
def appender(grown: Path) -> Appender:
    return Appender(grown)


def live(index: Path) -> dict[str, str]:
    """Content hashes of the live rows by id; an id that is live twice fails."""
    manifest, gone = read_manifest(index, read_current(index)), read_deleted(index, read_current(index))
    table = columns_of(index, manifest)(["id", "content_hash"]).to_pylist()
    rows = [(row["id"], row["content_hash"]) for at, row in enumerate(table) if at not in gone]
    assert len(rows) == len(dict(rows))
    return dict(rows)


def content(shard: Path) -> dict[str, Any]:
    """What the files of a shard hold, bytes of vectors and values of tables, but the sidecar."""
    kept = (path for path in shard.iterdir() if path.name != SIDECAR)
    return {path.name: read_table(path).to_pylist() if path.suffix == ".parquet" else path.read_bytes() for path in kept}


def test_every_file_of_a_batch_is_mended_to_the_bit_or_named(
    grown: Path, appender: Appender, file_of: File, tmp_path: Path
) -> None:
    appender.append([file_of(records(CORPUS)[BEGUN:])])
    changed = file_of(CHANGED)
    appender.update([changed])
    delete_ids(grown, ["t12"])
    compact(grown)
    shard = max((grown / "shards").iterdir())  # of both batches, merged
    written = content(shard)
    rows = live(grown)
    damage: list[tuple[Callable[[Path], Any], str]] = [
        (flip, "batches/2.json"), (lose, "batches/2.json"), (lose, "batches/1.copy"), (flip, PLAN),
        (lose, f"shards/{shard.name}/shard.json"), (flip, f"shards/{shard.name}/gradients.faiss"),
        (flip, "versions/4/catalog.duckdb"),
    ]  # fmt: skip
    for (how, name), index in zip(damage, copies(grown, tmp_path / "copy"), strict=False):
        how(index / name)
        assert problems(index), name
        assert repair(index), name
        assert (problems(index), live(index)) == ([], rows), name
        assert content(index / "shards" / shard.name) == written, name
    changed.unlink()
    flip(shard / "norms.npy")
    with pytest.raises(DamageError, match=r"shard 0000000014-0000000016 cannot be signed again: .*of_t3_2\.jsonl"):
        repair(grown)
    lose(grown / "batches/2.json")
    lose(grown / "batches/2.copy")
    assert any("the plan that it was signed from is not here" in problem for problem in problems(grown))


@pytest.mark.parametrize("action", ["append", "update"])
def test_a_writer_that_is_cut_off_between_any_two_writes_leaves_the_index_as_it_was_or_finishes(
    grown: Path, appender: Appender, file_of: File, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every third write; the same command goes on, now and then after another one, which clears away what is left."""
    rows = records(CORPUS)[BEGUN:] if action == "append" else CHANGED
    given, before = file_of(rows), live(grown)
    other = file_of([records(CORPUS + 1)[-1]])
    saved = shutil.copytree(grown, grown.with_name("saved"))
    replace, after, left = os.replace, None, 0
    while True:
        left += 3
        writes = iter(range(left))

        def cut(source: Any, target: Any, writes: Any = writes) -> None:
            if next(writes, None) is None:
                raise KeyboardInterrupt
            replace(source, target)

        monkeypatch.setattr(os, "replace", cut)
        try:
            getattr(appender, action)([given])
        except KeyboardInterrupt:
            monkeypatch.setattr(os, "replace", replace)
            begun = live(grown)
            if left % 2:
                appender.append([other])
            if begun == before:
                getattr(appender, action)([given])
        monkeypatch.setattr(os, "replace", replace)
        found = live(grown)
        found.pop("t14", None)
        after = after or found
        assert found == after != before
        assert problems(grown) == []
        if next(writes, None) is not None:
            return
        shutil.rmtree(grown)
        shutil.copytree(saved, grown)
