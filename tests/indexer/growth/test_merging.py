"""Small shards of many appends become one where the index is compacted; nothing else changes, and repair knows the parts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from attridex.indexer.growth.appending import Appender
from attridex.indexer.growth.refreshing import refresh
from attridex.indexer.index.directory import read_current, read_manifest
from attridex.indexer.index.layout import SIDECAR
from attridex.indexer.index.records import Part
from attridex.indexer.lifecycle.deleting import delete_ids
from attridex.indexer.renewal.adding import add_columns
from attridex.indexer.renewal.compaction import compact
from attridex.indexer.renewal.joining import Wanted
from attridex.indexer.renewal.merging import narrowed, parts_left
from attridex.indexer.renewal.repair import repair
from tests.conftest import records, write_jsonl
from tests.indexer.growth.conftest import BEGUN, CORPUS, Rows, scores
from tests.indexer.growth.test_appending import same
from tests.indexer.growth.test_repairing import content, live
from tests.indexer.renewal.conftest import flip, lose, problems
from tests.indexer.renewal.test_adding import stored

FULL = ["0000000000-0000000005", "0000000005-0000000010"]
MERGED, ASKED = "0000000010-0000000014", ("grad-dot", "rep-sim")


def shards(index: Path) -> list[str]:
    return [entry.name for entry in read_manifest(index, read_current(index)).shards]


def notes(index: Path) -> dict[str, object]:
    return {name: note for name, note in stored(index, "note") if name in live(index)}


def test_small_shards_become_one_that_answers_grows_and_is_mended_as_they_did(
    grown: Path, file_of: Callable[[Rows], Path], tmp_path: Path
) -> None:
    rows, appender = records(CORPUS), Appender(grown)
    for part in (rows[BEGUN:12], rows[12:13], rows[13:]):
        appender.append([file_of(part)])
    add_columns(grown, Wanted(write_jsonl(tmp_path / "n.jsonl", [{"id": row["id"], "note": at} for at, row in enumerate(rows)])))
    refresh(grown)
    before, noted = scores(grown), notes(grown)
    assert compact(grown).removed == 0
    assert shards(grown) == [*FULL, MERGED]
    assert (problems(grown), notes(grown)) == ([], noted)
    same(scores(grown), before, exact=True)
    assert compact(grown).version == read_current(grown), "nothing is left to do"
    delete_ids(grown, ["t1", "t10", "t12"])
    appender.update([file_of([{**rows[11], "premise": "cat ran"}])])
    before, noted = scores(grown, ASKED), notes(grown)
    assert compact(grown).removed == 4
    merged = f"{MERGED[:10]}-0000000015.2"
    assert shards(grown) == [f"{FULL[0]}.2", FULL[1], merged]
    assert read_manifest(grown, read_current(grown)).shards[-1].parts == (
        Part(name="0000000013-0000000014", rows=1),
        Part(name="0000000014-0000000015", rows=1),
    )
    same(scores(grown, ASKED), before, exact=True)
    assert (problems(grown), notes(grown)) == ([], noted)
    held, written = live(grown), content(grown / "shards" / merged)
    for damage in (lambda: lose(grown / "shards" / merged / SIDECAR), lambda: flip(grown / "shards" / merged / "norms.npy")):
        damage()
        assert repair(grown)
        assert (problems(grown), live(grown), content(grown / "shards" / merged), notes(grown)) == ([], held, written, noted)
    delete_ids(grown, ["t13"])
    appender.append([file_of([rows[10]])])
    assert live(grown).keys() == {row["id"] for row in rows} - {"t1", "t12", "t13"}


def test_parts_of_a_merged_shard_follow_its_rows() -> None:
    parts = tuple(Part(name=f"000000000{at}-000000000{at + 1}", rows=rows) for at, rows in enumerate((2, 3, 1)))
    assert parts_left(parts, np.arange(6), 7) == parts
    assert parts_left(parts, np.array([2, 4, 5]), 7) == (Part(name="0000000001-0000000002.7", rows=2), parts[2])


def test_probabilities_are_as_wide_as_the_most_outputs_that_are_left() -> None:
    nan = np.nan
    found = narrowed([np.array([[0.5, 0.5]], np.float32), np.array([[0.2, 0.3, 0.5, nan]], np.float32)])
    np.testing.assert_array_equal(found, np.array([[0.5, 0.5, nan], [0.2, 0.3, 0.5]], np.float32))
    assert narrowed([found[:1]]).shape == (1, 2)
