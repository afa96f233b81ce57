"""What writes a version again keeps what each statistic was of, or refuses: nothing stale looks fresh, nothing added is lost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attridex.indexer.config import load_config
from attridex.indexer.errors import InputError
from attridex.indexer.growth.appending import Appender
from attridex.indexer.growth.factors import factor_sums
from attridex.indexer.growth.refreshing import add_curvature, refresh
from attridex.indexer.index.arrays import read_tensors
from attridex.indexer.index.directory import read_current, read_deletes, read_manifest
from attridex.indexer.index.layout import CURVATURE, FACTORS, version_dir
from attridex.indexer.index.records import OF_CURVATURE, OF_NEURONS, OF_WORDS, Manifest
from attridex.indexer.lifecycle.counted import Counted
from attridex.indexer.lifecycle.deleting import delete_ids, undelete_ids
from attridex.indexer.lifecycle.staleness import stale_now
from attridex.indexer.renewal.building import build
from attridex.indexer.renewal.compaction import compact
from attridex.indexer.renewal.repair import repair
from tests.conftest import records
from tests.indexer.growth.conftest import BEGUN, CORPUS, Build, Rows
from tests.indexer.renewal.conftest import lose, problems

File = Callable[[Rows], Path]


def served(index: Path) -> Manifest:
    return read_manifest(index, read_current(index))


def place(index: Path) -> Path:
    return version_dir(index, read_current(index))


def same_curvature(index: Path, before: dict[str, Any]) -> None:
    after = read_tensors(place(index) / CURVATURE)
    assert after.keys() == before.keys()
    for name, values in before.items():
        if name.endswith(".values"):
            np.testing.assert_allclose(after[name], values, rtol=1e-6, atol=1e-9 * float(values.max()), err_msg=name)


@pytest.fixture
def stale(grown: Path, file_of: File) -> Path:
    """An index to which K-FAC was added, then four records, and which then lost one that the curvature counts."""
    add_curvature(grown, ["kfac"])
    Appender(grown).append([file_of(records(CORPUS)[BEGUN:])])
    delete_ids(grown, ["t1"])
    return grown


def test_what_is_stale_is_compacted_only_after_a_refresh(stale: Path, attridex: Any) -> None:
    before = read_current(stale)
    with pytest.raises(InputError, match=r"run `attridex refresh .*` first"):
        compact(stale)
    assert (read_current(stale), problems(stale)) == (before, [])
    said = attridex("neurons", stale).err
    assert "stale: counted over 10 instances, 1 of which are deleted, and not over 4 that are live" in said
    refresh(stale)
    assert "stale" not in attridex("neurons", stale).err
    curvature = read_tensors(place(stale) / CURVATURE)
    compact(stale)
    same_curvature(stale, curvature)
    assert (stale_now(stale, served(stale)), served(stale).factors_of) == ((), 0)


def test_what_is_stale_is_stale_after_a_repair_which_needs_the_model_for_lost_sums_alone(stale: Path, tmp_path: Path) -> None:
    """The model lies elsewhere meanwhile."""
    before, curvature = served(stale), read_tensors(place(stale) / CURVATURE)
    kept = (OF_CURVATURE, OF_NEURONS, OF_WORDS)
    home = Path(before.config.model.path)
    moved = home.rename(tmp_path / "moved")
    try:
        for lost, model in (("bm25_vocab.json", None), (FACTORS, str(moved))):
            lose(place(stale) / lost)
            assert repair(stale, model=model)
            after = served(stale)
            assert [after.basis(name) for name in kept] == [before.basis(name) for name in kept]
            assert stale_now(stale, after) == (OF_CURVATURE, OF_NEURONS, OF_WORDS)
            same_curvature(stale, curvature)
    finally:
        moved.rename(home)


def test_sums_of_the_shards_are_those_of_the_rows_that_a_stale_curvature_is_of(begin: Build, file_of: File) -> None:
    index = begin(records(BEGUN), curvature=["kfac"])
    delete_ids(index, ["t1"])
    compact(index)
    curvature = read_tensors(place(index) / CURVATURE)
    Appender(index).append([file_of(records(CORPUS)[BEGUN:])])
    delete_ids(index, ["t2"])
    lose(place(index) / CURVATURE)
    lose(place(index) / "bm25_vocab.json")
    assert repair(index)
    same_curvature(index, curvature)
    assert served(index).factors_of == BEGUN
    assert OF_CURVATURE in stale_now(index, served(index))


def test_info_counts_what_a_compaction_removed_not_what_came_in_since(begin: Build, file_of: File, attridex: Any) -> None:
    index = begin(records(BEGUN), curvature=["kfac"])
    delete_ids(index, ["t1", "t2"])
    compact(index)
    Appender(index).append([file_of(records(CORPUS)[BEGUN:])])
    assert attridex("info", index, "--json").lines[0]["factors"].startswith("of 10 instances, 2 of which were removed")


def test_a_build_that_asks_for_another_structure_keeps_what_was_added_and_refreshed(
    grown: Path, first: Path, tmp_path: Path, file_of: File
) -> None:
    """As long as the version is of the build's own shards, and when more came in."""

    def wider(kind: str) -> None:
        before, curvature, fresh = served(grown), read_tensors(place(grown) / CURVATURE), stale_now(grown, served(grown))
        config = before.config.model_copy(update={"gradients": load_config(first.parent / "config.toml").gradients})
        index = config.index.model_copy(update={"approximate": [kind]})
        done = build(config.model_copy(update={"index": index}), grown, show_progress=False)
        assert (done.signed, done.manifest.curvatures, done.manifest.config.index.approximate) == (0, before.curvatures, [kind])
        assert set(stale_now(grown, served(grown))) == {*fresh} - {"approximate"}
        same_curvature(grown, curvature)

    add_curvature(grown, ["kfac"])
    delete_ids(grown, ["t1"])
    refresh(grown)
    wider("rabitq")
    Appender(grown).append([file_of(records(CORPUS)[BEGUN:])])
    wider("sq8")


def test_what_is_brought_back_needs_no_model_where_the_shards_have_summed_it(begin: Build) -> None:
    index = begin(records(BEGUN), curvature=["kfac"])
    delete_ids(index, ["t1"])
    refresh(index)
    undelete_ids(index, ["t1"])
    manifest, log = served(index), read_deletes(index)
    assert log
    alive = Counted.under(index, manifest, log).alive[OF_CURVATURE]
    assert factor_sums(index, manifest, log, alive, lambda: pytest.fail("the model is loaded")) is None
