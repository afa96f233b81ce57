"""What an index of another size takes is a dry run's figures, carried on."""

from collections.abc import Callable
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from attridex.indexer.building.capacity import GIB, Capacity, Means, capacity
from attridex.indexer.building.dry_run import Tried
from attridex.indexer.building.forecast import other_bytes, vector_bytes
from attridex.indexer.building.load import Load, Sampler
from attridex.indexer.building.pilot import Pilot, Timing
from attridex.indexer.building.plan import Prepared
from attridex.indexer.errors import InputError
from attridex.indexer.index.layout import CSC_ROWS, GRADIENTS, HIDDEN, INSTANCES, MOST_ROWS, NORMS, SIDECAR
from tests.indexer.building.conftest import Begun

ROWS = 40
BASE = 1 << 20
MEANS = Means(memory=BASE + (1 << 20), hours=2.0, speed=3.0, price=0.5)


@pytest.fixture
def found(begun: Callable[..., Begun]) -> Tried:
    """A build of 40 instances of 400 tokens, of which 20 took 4 seconds."""
    _, plan, signer = begun(count=ROWS, index={"shard_rows": 10}, neurons={"enabled": False})
    empty = {GRADIENTS: 45, HIDDEN: 45, NORMS: 128, INSTANCES: 1000, SIDECAR: 0}
    shard = {GRADIENTS: 45 + 80 * signer.gradient_dim, HIDDEN: 45 + 80 * 24, NORMS: 208, INSTANCES: 3000, SIDECAR: 500}
    pilot = Pilot(20, [Timing(Load(20, 200, 20, 200), 4.0, 0.0)], 1000, 0, empty, shard, {CSC_ROWS: 2128})
    return Tried(Prepared(plan, signer, Sampler(Load(ROWS, 400, ROWS, 400)), 1.0), pilot, BASE)


def of(found: Tried, instances: int) -> Capacity:
    """With a memory that is read at 1,000 bytes a second."""
    return capacity(found, instances, MEANS, 1e3)


def test_of_its_own_size_it_is_the_dry_runs(found: Tried) -> None:
    plan, signer, mine = found.build.plan, found.build.signer, of(found, ROWS)
    assert mine.vectors == vector_bytes(plan, signer)
    assert mine.disk == sum(mine.vectors.values()) + other_bytes(plan, signer, found.pilot)
    assert mine.disk == sum(mine.vectors.values()) + mine.lookups + mine.others
    assert (mine.tokens, mine.lookups) == (plan.survey.tokens, 128 + 2000 * ROWS / 20)
    assert mine.build_hours == pytest.approx((2.0 + 4.0 * 400 / 200) / MEANS.speed / 3600)  # the corpus is read twice


def test_of_more_everything_grows_and_the_means_divide_it(found: Tried) -> None:
    own, more = of(found, ROWS), of(found, ROWS * 10**6)
    assert more.build_hours == pytest.approx(own.build_hours * 10**6)
    assert more.workers == ceil(more.build_hours / MEANS.hours)
    assert more.vectors["hidden"] == own.vectors["hidden"] * 10**6 / 2  # over 1 GiB it is float16
    per_row = (own.disk - sum(own.vectors.values())) / ROWS
    assert more.disk - sum(more.vectors.values()) == pytest.approx(per_row * more.instances, rel=0.01)  # whatever the precision
    held = sum(more.vectors.values()) + more.lookups
    assert more.serving_machines == ceil(held / (1 << 20))  # beside the model
    assert more.scan_seconds["hidden"] == pytest.approx(more.vectors["hidden"] / more.serving_machines / 1e3)
    assert more.storage_price == pytest.approx(more.disk / GIB / 2)
    assert more.worker_memory["host"] == own.worker_memory["host"]  # a range is as large as before


def test_a_machine_that_holds_not_even_the_model_is_refused(found: Tried) -> None:
    with pytest.raises(InputError, match=r"^--memory 512B: the model and its process alone take 1MiB$"):
        capacity(found, ROWS, replace(MEANS, memory=512), 1e3)


def test_rows_beyond_an_index_s_numbers_are_more_indices_and_no_build(found: Tried) -> None:
    assert [of(found, rows).indices for rows in (MOST_ROWS, MOST_ROWS + 1, 10**10)] == [1, 2, 5]
    plan = found.build.plan
    assert plan.part(MOST_ROWS).checked()
    with pytest.raises(InputError, match=r"2,147,483,648 rows, and an index has 2,147,483,647 at most"):
        replace(plan, survey=replace(plan.survey, instances=MOST_ROWS + 1)).checked()


def test_the_command_sets_sizes_side_by_side(project: Callable[..., Path], attridex: Any) -> None:
    config = project(count=30, neurons={"enabled": False})
    before = sorted(config.parent.rglob("*"))
    ran = attridex("plan", config, "--instances", "1e6", "--instances", "2,000,000", "--json")
    assert ran.code == 0, ran.err
    (said,) = ran.lines
    first, second = said["sizes"]
    assert (first["instances"], second["instances"]) == (10**6, 2 * 10**6)
    assert second["build_hours"] == pytest.approx(2 * first["build_hours"])
    assert said["measured"]["instances"] == 30
    assert said["measured"]["bytes_a_second"] > 0
    assert sorted(config.parent.rglob("*")) == before
    table = attridex("plan", config, "--instances", "1e6").out
    for words in ("1,000,000", "disk", "gradients", "storage a month", "build, one worker", "machines of 64.00 GiB to serve"):
        assert words in table


@pytest.mark.parametrize("given", [["--instances", "many"], ["--instances", "1.5"], ["--instances", "9", "--memory", "big"], []])
def test_what_is_no_size_is_refused(given: list[str], project: Callable[..., Path], attridex: Any) -> None:
    ran = attridex("plan", project(), *given)
    assert ran.code == 2
    assert ran.err.count("\n") == 1
