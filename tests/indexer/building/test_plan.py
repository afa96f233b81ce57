"""A plan follows from its settings, and an index belongs to one plan."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from attridex.indexer.building.plan import bind, check_bound, content_settings
from attridex.indexer.config import Config
from attridex.indexer.errors import InputError
from attridex.indexer.index.layout import LOCK, PLAN
from attridex.indexer.index.records import read_sealed
from tests.indexer.building.conftest import Begun


@pytest.mark.parametrize(("count", "rows"), [(12, 5), (10, 5), (1, 5), (7, 1)])
def test_ranges_are_a_partition(begun: Callable[..., Begun], count: int, rows: int) -> None:
    plan = begun(count=count, index={"shard_rows": rows}).plan
    assert [row for start, stop in plan.ranges for row in range(start, stop)] == list(range(count))
    assert all(0 < part.stop - part.start <= rows for part in plan.ranges)
    assert len(plan.shards) == len(plan.ranges)
    assert sorted(plan.shards) == plan.shards


def test_the_id_changes_with_what_decides_the_content_and_with_nothing_else(begun: Callable[..., Begun]) -> None:
    plan = begun().plan

    def changed(section: str, **values: object) -> str:
        part = getattr(plan.config, section).model_copy(update=values)
        return replace(plan, config=plan.config.model_copy(update={section: part})).id

    assert changed("index", approximate=["sq8"]) == plan.id
    assert changed("engine", threads=3) == plan.id
    assert changed("model", path="elsewhere") == plan.id
    assert changed("corpus", files=["elsewhere"]) == plan.id
    for section, values in (("index", {"shard_rows": 6}), ("neurons", {"steps": 7}), ("gradients", {"seed": 1})):
        assert changed(section, **values) != plan.id
    assert replace(plan, labels=["a"]).id != plan.id
    assert replace(plan, model=plan.model._replace(tokenizer="other")).id != plan.id


def test_a_default_that_is_said_is_the_same_plan() -> None:
    source = {"model": {"path": "m"}, "corpus": {"files": ["f"], "segments": ["{x}"]}}
    said = {**source, "gradients": {"projection": "none", "curvature": ["hessian", "fisher"]}}
    other = {**source, "gradients": {"curvature": ["fisher", "hessian"]}}
    assert content_settings(Config.model_validate(said)) == content_settings(Config.model_validate(other))


def test_an_index_is_bound_to_its_plan(begun: Callable[..., Begun], tmp_path: Path) -> None:
    plan, index = begun().plan, tmp_path / "i"
    check_bound(plan, index)
    index.mkdir()
    (index / LOCK).touch()
    bind(plan, index)
    assert read_sealed(index / PLAN) == plan.settings
    bind(plan, index)
    other = replace(plan, labels=["a"], survey=replace(plan.survey, instances=3))
    with pytest.raises(InputError, match=r"begun with instances = 12, now it is 3 \(changed too: labels\)"):
        bind(other, index)
    assert read_sealed(index / PLAN) == plan.settings


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch])
def test_what_is_no_index_is_left_alone(begun: Callable[..., Begun], tmp_path: Path, make: Callable[[Path], None]) -> None:
    place = tmp_path / "other"
    make(place)
    if place.is_dir():
        (place / "file").touch()
    with pytest.raises(InputError, match="not empty and not an index"):
        check_bound(begun().plan, place)
