"""The engine builds what is not there, and only that."""

from collections.abc import Callable
from pathlib import Path

from attridex.indexer.building.engines import build_ranges
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
