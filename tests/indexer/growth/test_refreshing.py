"""A refresh, and a curvature that is added, are of the rows that are live, as those of a build from scratch."""

from collections.abc import Callable
from pathlib import Path

import pytest

from attridex.client import Client, Intervention, Query
from attridex.indexer.errors import InputError
from attridex.indexer.growth.appending import Appender
from attridex.indexer.growth.refreshing import add_curvature, refresh
from attridex.indexer.lifecycle.deleting import delete_ids
from attridex.indexer.lifecycle.versions import activate
from attridex.indexer.renewal.compaction import compact
from attridex.indexer.renewal.repair import repair
from tests.conftest import records
from tests.indexer.growth.conftest import BEGUN, CORPUS, Build, Rows, scores
from tests.indexer.growth.test_appending import same
from tests.indexer.renewal.conftest import lose, problems

File = Callable[[Rows], Path]
ADDED = ["kfac", "ekfac"]


def influences(index: Path) -> dict[str, dict[str, float]]:
    found = {kind: scores(index, ["influence"], curvature=kind) for kind in ("fisher", *ADDED)}
    return {f"{kind}/{name}": values for kind, own in found.items() for name, values in own.items()}


def test_added_curvatures_follow_what_comes_and_goes(grown: Path, begin: Build, file_of: File) -> None:
    rows = records(CORPUS)
    changed = {**rows[3], "premise": "cat ran"}
    appender = Appender(grown)
    appender.update([file_of([changed])])
    assert add_curvature(grown, ADDED).refreshed
    appender.append([file_of(rows[BEGUN:])])
    delete_ids(grown, ["t1", "t11"])
    refresh(grown)
    left = [row for at, row in enumerate(rows) if at not in (1, 3, 11)]
    expected = influences(begin([*left, changed], curvature=["fisher", *ADDED]))
    same(influences(grown), expected, exact=False)
    compact(grown)
    lose(next(grown.glob("versions/*/factors.safetensors")))
    assert repair(grown)
    same(influences(grown), expected, exact=False)
    assert problems(grown) == []


def test_a_delete_makes_stale_what_counts_the_row_until_a_refresh(grown: Path) -> None:
    delete_ids(grown, ["t1"])
    with Client.local(grown) as client:
        assert client.get_index().stale == ("curvature", "neuron_statistics", "bm25")
        for methods, stale in ((["grad-dot"], ()), (["bm25"], ("bm25",)), (["bm25", "influence"], ("curvature", "bm25"))):
            interventions = [Intervention("suppress", r=1, method=f"ia:{method}") for method in methods]
            assert client.predict([Query.instance("t2")], interventions=interventions).info.stale == stale
    assert refresh(grown).refreshed == ("curvature", "neuron_statistics", "bm25")
    assert refresh(grown).refreshed == ()


@pytest.mark.parametrize(
    ("kind", "said"), [("hessian", "'hessian' cannot be added; fisher, kfac, ekfac can"), ("fisher", "has 'fisher' already")]
)
def test_what_cannot_be_added_is_refused(grown: Path, kind: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        add_curvature(grown, [kind])


def test_nothing_is_taken_of_a_version_without_a_live_row(grown: Path, file_of: File) -> None:
    """An older one that is made current again, after every record of it was replaced."""
    Appender(grown).update([file_of([{**row, "premise": "cat ran"} for row in records(BEGUN)])])
    activate(grown, "1")
    for act in (refresh, lambda index: add_curvature(index, ["kfac"]), compact):
        with pytest.raises(InputError, match=r"no instance of version 1 is live; `attridex versions .*` names others"):
            act(grown)
    activate(grown, "2")
    assert compact(grown).removed == BEGUN
