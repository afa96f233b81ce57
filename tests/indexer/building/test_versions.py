"""A version says what it is made of, is whole or not there, and is written once."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from attridex.indexer.building.engines import build_ranges
from attridex.indexer.building.plan import bind
from attridex.indexer.building.versions import VersionWriter, commit, facts_of_build, library_versions
from attridex.indexer.errors import InputError
from attridex.indexer.index.catalog import Catalog
from attridex.indexer.index.directory import list_versions, read_current, read_manifest, write_lock
from attridex.indexer.index.layout import CATALOG, CURRENT, FORMAT, version_dir
from attridex.indexer.index.records import explicit
from attridex.indexer.index.shards import open_shards
from attridex.indexer.index.verify import check_version, verify
from attridex.indexer.lifecycle.deleting import delete_rows
from attridex.indexer.lifecycle.liveness import read_deleted
from tests.indexer.building.conftest import Begun
from tests.indexer.test_files import killed_at_each_write


@pytest.fixture
def ready(begun: Callable[..., Begun], tmp_path: Path) -> tuple[Begun, Path]:
    """An index whose shards are there, without a version."""
    made = begun(count=12, gradients={"curvature": ["fisher", "trak"]})
    (tmp_path / "i").mkdir()
    bind(made.plan, tmp_path / "i")
    build_ranges(made.plan, made.signer, tmp_path / "i", show_progress=False)
    return made, tmp_path / "i"


def test_the_manifest_on_disk_is_the_one_that_is_given(ready: tuple[Begun, Path]) -> None:
    (config, plan, signer), index = ready
    manifest = commit(index, plan, signer)
    assert read_manifest(index, read_current(index)) == manifest
    assert [problem for _, problem in verify(index) if problem] == []
    assert manifest.config == explicit(config)
    assert (manifest.corpus.fingerprint, manifest.corpus.tokens) == (plan.survey.fingerprint, plan.survey.tokens)
    assert manifest.corpus.text_fields == ["premise", "hypothesis"]
    assert (manifest.model.hash, manifest.model.tokenizer_hash, manifest.checkpoints) == tuple(plan.model)
    assert [entry.name for entry in manifest.shards] == plan.shards
    assert manifest.curvatures == ["fisher", "trak"]
    assert [column.name for column in manifest.columns][9:] == [
        "self_influence", "self_influence_fisher", "genre", "premise", "hypothesis",
    ]  # fmt: skip
    assert manifest.libraries == library_versions()


def test_a_second_commit_writes_nothing_and_mends_a_missing_current(ready: tuple[Begun, Path]) -> None:
    (_, plan, signer), index = ready
    first = commit(index, plan, signer)
    (index / CURRENT).unlink()
    assert commit(index, plan, signer) == first
    assert list_versions(index) == ["1"]
    assert read_current(index) == "1"


def test_structures_make_a_new_version_that_keeps_what_is_deleted(ready: tuple[Begun, Path], begun: Callable[..., Begun]) -> None:
    (_, plan, signer), index = ready
    commit(index, plan, signer)
    delete_rows(index, [4])
    wider = begun(count=12, gradients={"curvature": ["fisher", "trak"]}, index={"approximate": ["rabitq", "sq8"]})
    manifest = commit(index, wider.plan, wider.signer)
    assert (manifest.version, read_deleted(index, "2")) == ("2", {4})
    methods = ("grad-dot", "grad-cos", "fisher", "trak")
    assert list(manifest.recall) == [f"{kind}/{method}" for method in methods for kind in ("rabitq", "sq8")]


def test_a_kill_before_anything_takes_its_name_leaves_no_version_or_a_whole_one(
    ready: tuple[Begun, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (_, plan, signer), index = ready
    ends = []
    for attempt in killed_at_each_write(monkeypatch, ["replace"]):
        with attempt:
            commit(index, plan, signer)
        ends.append(list_versions(index))
        for number in ends[-1]:
            check_version(index, read_manifest(index, number))
    assert ends == [[], *[["1"]] * 4]  # its directory; the log and CURRENT, each after its copy
    with write_lock(index):
        assert [problem for _, problem in verify(index) if problem] == []


def test_a_version_without_instances_is_refused(ready: tuple[Begun, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    (_, plan, signer), index = ready
    writer = VersionWriter(index, facts_of_build(plan, signer, FORMAT), plan.shards)
    monkeypatch.setattr(writer, "_rows", 0)
    with pytest.raises(InputError, match="every instance was left out"):
        writer.write()
    assert list_versions(index) == []


def test_instances_of_a_version_stand_in_row_order_with_their_self_influence(ready: tuple[Begun, Path]) -> None:
    (_, plan, signer), index = ready
    manifest = commit(index, plan, signer)
    with closing(Catalog(version_dir(index, "1") / CATALOG)) as catalog:
        assert catalog.ids().to_pylist() == [f"t{number}" for number in range(12)]
        influences = [value for (value,) in catalog.select("SELECT self_influence FROM instances ORDER BY row")]
    gradients = np.concatenate([shard.gradients() for shard in open_shards(index, manifest.shards)]).astype(np.float64)
    np.testing.assert_array_equal(influences, (gradients**2).sum(1))
