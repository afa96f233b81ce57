"""Groups whose replicas are lost, slow or silent: whole answers from others, partial ones where asked for, else one line."""

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from attridex.indexer.index.directory import read_manifest
from attridex.indexer.renewal.compaction import compact
from attridex.service.answering.served import ServedIndex
from attridex.service.edge.server import open_index
from attridex.service.errors import DamagedIndexError, InvalidArgumentError, NotIndexedError, ShardsError
from attridex.service.groups.division import divided
from attridex.service.groups.gathering import Patience
from attridex.v1.requests import (
    AttributeInstancesRequest,
    FindInstancesByNeuronsRequest,
    FindNeuronsByInstancesRequest,
    Query,
    RankInstancesRequest,
    Scoring,
)
from tests.service.groups.test_same_answers import plain
from tests.service.groups.threads import ThreadReplica, thread_groups

REQUEST = AttributeInstancesRequest((Query.instance("t1"),), k=41)
"""t1 lies in the last group."""
PARTLY = replace(REQUEST, allow_partial=True)


@pytest.fixture
def replicas() -> list[list[ThreadReplica]]:
    return [[ThreadReplica(f"replica {number}.{each}") for each in "ab"] for number in (1, 2)]


@pytest.fixture
def served(doubled: Path, replicas: list[list[ThreadReplica]]) -> Iterator[ServedIndex]:
    with closing(thread_groups(replicas, Patience(30, 0.1))) as groups:
        opened = open_index(doubled, "mine", model=False, spread=groups)
        yield opened
        opened.close()


@contextmanager
def refused(served: ServedIndex, match: str = "does not answer") -> Iterator[None]:
    """What is asked in the block is refused, after a short while."""
    groups: Any = served.store.opening.spread
    before, groups.patience = groups.patience, Patience(0.3, 0.1)
    with pytest.raises(ShardsError, match=match):
        yield
    groups.patience = before


@pytest.mark.parametrize("how", ["lost", "silent"])
def test_another_replica_gives_the_full_answer(served: ServedIndex, replicas: list[list[ThreadReplica]], how: str) -> None:
    expected = served.answer(REQUEST)
    assert (expected.info.shards_ok, expected.info.shards_total, expected.info.partial) == (9, 9, False)
    for group in replicas:
        setattr(group[0], how, True)
    assert plain(served.answer(REQUEST)) == plain(expected)


def test_an_answer_of_some_shards_is_given_where_it_is_asked_for(
    served: ServedIndex, replicas: list[list[ThreadReplica]]
) -> None:
    whole = served.answer(REQUEST)
    assert plain(served.answer(PARTLY)) == plain(whole)
    for replica in replicas[0]:
        replica.lost = True
    with refused(served, r"^group 1 \(rows 0 to \d+\) does not answer: replica 1\.\w: it was killed; ask again, or with allow_p"):
        served.answer(REQUEST)
    answer = served.answer(PARTLY)
    assert (answer.info.shards_ok, answer.info.shards_total, answer.info.partial) == (5, 9, True)
    groups: Any = served.store.opening.spread
    groups.patience = Patience(1e6)
    for replica in replicas[0]:
        replica.lost, replica.silent = False, True  # as one that is being started again
    assert plain(served.answer(PARTLY)) == plain(answer)
    kept = [hit for hit in whole.results[0].hits if hit.row >= 20]
    assert [(hit.id, hit.score) for hit in answer.results[0].hits] == [(hit.id, hit.score) for hit in kept]
    for request in (
        FindInstancesByNeuronsRequest(REQUEST.queries, similarity="activation"),
        FindNeuronsByInstancesRequest(REQUEST.queries, instances=3),
    ):
        with refused(served):
            served.answer(request)
        assert served.answer(replace(request, allow_partial=True)).info.shards_ok == 5
    assert served.answer(replace(PARTLY, scoring=Scoring("bm25"))).info.shards_ok == 9
    for replica in replicas[1]:
        replica.lost = True
    with refused(served):  # nothing is no part
        served.answer(PARTLY)


def test_what_needs_every_row_is_never_partial(served: ServedIndex, replicas: list[list[ThreadReplica]]) -> None:
    for part in ({"group": "genre"}, {"scoring": Scoring(approximate="sq8")}):
        with pytest.raises(InvalidArgumentError, match="allow_partial"):
            served.answer(replace(PARTLY, **part))
    for replica in replicas[0]:
        replica.lost = True
    with refused(served):
        list(served.rank(RankInstancesRequest(REQUEST.queries)))
    with refused(served):  # for the query's own vector
        served.answer(replace(PARTLY, queries=(Query.instance("t18-b"),)))


def test_a_silent_group_is_given_up_at_its_deadline(doubled: Path) -> None:
    replicas = [[ThreadReplica("one")], [ThreadReplica("two")]]
    with closing(thread_groups(replicas, Patience(0.5, 0.1))) as groups:
        served = open_index(doubled, "mine", model=False, spread=groups)
        replicas[0][0].silent = True
        began = time.monotonic()
        with pytest.raises(ShardsError, match=r"group 1 \(rows 0 to 19\) does not answer: no answer in 0\.5 s"):
            served.answer(REQUEST)
        assert time.monotonic() - began > 0.4
        served.close()


def test_lost_replicas_are_asked_until_one_is_there(served: ServedIndex, replicas: list[list[ThreadReplica]]) -> None:
    expected = served.answer(REQUEST)
    for replica in replicas[1]:
        replica.lost = True
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(served.answer, REQUEST)
        while len(replicas[1][0].asked) < 4:
            time.sleep(0.01)
        replicas[1][0].lost = False
        assert plain(asked.result()) == plain(expected)


def test_a_replica_that_was_lost_is_found_again(
    served: ServedIndex, replicas: list[list[ThreadReplica]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attridex.service.groups.replicas.AGAIN_SECONDS", 0.0)
    first, second = replicas[0]
    groups: Any = served.store.opening.spread
    assert groups.there() == {"group 1": 2, "group 2": 2}
    first.lost = True
    served.answer(REQUEST)
    served.answer(REQUEST)
    assert second.asked
    assert groups.there() == {"group 1": 1, "group 2": 2}
    first.lost, second.lost = False, True
    first.group._keep(frozenset())  # as one that was started anew, it holds nothing
    assert served.answer(REQUEST).info.partial is False


def test_a_replica_that_nobody_asks_is_found_lost_by_whoever_counts_them(
    served: ServedIndex, replicas: list[list[ThreadReplica]]
) -> None:
    groups: Any = served.store.opening.spread
    replicas[1][1].lost = True
    assert groups.there() == {"group 1": 2, "group 2": 1}
    assert served.answer(REQUEST).info.partial is False
    replicas[1][1].lost, replicas[0][0].silent = False, True
    while groups.there() != {"group 1": 2, "group 2": 2}:
        time.sleep(0.01)


def test_a_version_is_served_from_all_groups_or_from_none(
    served: ServedIndex, doubled: Path, replicas: list[list[ThreadReplica]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = Path(shutil.copytree(doubled, tmp_path / "index"))
    with closing(thread_groups([[ThreadReplica("one")], [last := ThreadReplica("two")]])) as groups:
        mine = open_index(index, "mine", model=False, spread=groups)
        before = mine.answer(REQUEST)
        with mine.store.version() as held:
            compact(index)
            last.lost = True
            with monkeypatch.context() as hurried:
                hurried.setattr("attridex.service.groups.vectors.OPENING", Patience(0.3, 0.0))
                with pytest.raises(ShardsError):
                    mine.store.reload()
            last.lost = False
            assert plain(mine.answer(REQUEST)) == plain(before)
            mine.store.reload()
            after = mine.answer(REQUEST)
            assert after.info.index_version != before.info.index_version
            assert [(hit.id, hit.score) for hit in after.results[0].hits] == [
                (hit.id, hit.score) for hit in before.results[0].hits
            ]
            assert len(last.group._open) == 2
            assert held.vector(held.gradients, 40).any()
        mine.store.sweep()
        assert served.answer(REQUEST)
        for _ in range(100):
            if len(last.group._open) == 1:
                break
            time.sleep(0.01)
        assert [portion.version for portion in last.group._open] == [mine.store.number]
        mine.close()


def test_damage_that_a_group_finds_is_the_index_s(doubled: Path, tmp_path: Path) -> None:
    index = Path(shutil.copytree(doubled, tmp_path / "index"))
    shard = index / "shards" / read_manifest(index, "1").shards[6].name / "gradients.faiss"
    shard.write_bytes(shard.read_bytes()[:-1] + b"\0")
    groups = thread_groups([[ThreadReplica("one")], [ThreadReplica("two")]])
    with closing(groups), pytest.raises(DamagedIndexError, match=r"gradients\.faiss: damaged"):
        open_index(index, "mine", model=False, spread=groups)


def test_nobody_reads_vectors_that_are_elsewhere(served: ServedIndex) -> None:
    with served.store.version() as version:
        for read in (iter, len, lambda stored: stored[0]):
            with pytest.raises(NotIndexedError, match="without --groups"):
                read(version.gradients)


@pytest.mark.parametrize(
    ("rows", "groups", "expected"),
    [
        ([5] * 9, 4, [2, 2, 3, 2]),
        ([5] * 4, 4, [1, 1, 1, 1]),
        ([100, 1, 1, 1], 3, [1, 1, 2]),
        ([1, 1, 1, 100], 3, [2, 1, 1]),
        ([7, 7], 4, [1, 1, 0, 0]),
        ([1000] * 100, 7, [14, 15, 14, 14, 14, 15, 14]),
    ],
)
def test_shards_are_divided_in_order_and_evenly(rows: list[int], groups: int, expected: list[int]) -> None:
    found = divided(rows, groups)
    assert [len(each) for each in found] == expected
    assert [place for each in found for place in each] == list(range(len(rows)))
