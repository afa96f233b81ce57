"""The engine builds what is not there, and only that."""

import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from attridex.indexer.building.engines import build_ranges, instances_of
from attridex.indexer.corpus.spool import spooled
from attridex.indexer.index.layout import NORMS, SIDECAR, shard_dir
from attridex.indexer.index.verify import check_shard
from tests.indexer.building.conftest import Begun


def test_every_range_is_built_once(begun: Callable[..., Begun], tmp_path: Path) -> None:
    _, plan, signer = begun(count=12)
    assert build_ranges(plan, signer, tmp_path, show_progress=False) == 12
    first = {name: (shard_dir(tmp_path, name) / SIDECAR).read_bytes() for name in plan.shards}
    assert [check_shard(tmp_path, name).rows for name in plan.shards] == [5, 5, 2]
    assert build_ranges(plan, signer, tmp_path, show_progress=False) == 0
    (shard_dir(tmp_path, plan.shards[1]) / NORMS).unlink()
    assert build_ranges(plan, signer, tmp_path, show_progress=False) == 5
    assert {name: (shard_dir(tmp_path, name) / SIDECAR).read_bytes() for name in plan.shards} == first


@pytest.mark.parametrize("size", [0, 133, 1000])
def test_a_full_disk_keeps_nothing_and_the_corpus_is_rendered_again(
    size: int, begun: Callable[..., Begun], tmp_path: Path
) -> None:
    _, plan, signer = begun(count=12)
    found = list(instances_of(plan, signer, None))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with spooled(tmp_path / "not" / "there") as spool:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            for instance in found:
                spool.add(instance)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert spool.kept is None
        assert list(spool.read()) == []
        assert list(instances_of(plan, signer, spool)) == found
