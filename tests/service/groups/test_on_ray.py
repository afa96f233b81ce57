"""Groups as Ray actors: a killed one is made up for by its replica, or said, and started again."""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from attridex.indexer.engines.ray_actors import Share
from attridex.indexer.engines.ray_replicas import RayReplica
from attridex.indexer.errors import InputError
from attridex.service.edge.server import open_index
from attridex.service.groups.dividing import Dividing, dividing
from attridex.service.groups.gathering import Patience
from attridex.service.groups.group import GroupJob
from attridex.service.groups.groups import Groups
from attridex.service.groups.on_ray import ray_groups
from attridex.service.groups.replicas import Replicas
from attridex.service.storage.held_shards import How
from attridex.v1.requests import AttributeInstancesRequest, FindInstancesByNeuronsRequest, Query, RankInstancesRequest, Scoring
from tests.service.groups.test_same_answers import plain

REQUEST = AttributeInstancesRequest((Query.instance("t1"),), k=41)
REQUESTS = (
    REQUEST,
    replace(REQUEST, scoring=Scoring("rep-sim"), k=3, ascending=True),
    replace(REQUEST, group="genre", k=2),
    FindInstancesByNeuronsRequest(REQUEST.queries, similarity="attribution"),
)


@dataclass(frozen=True)
class NamedJob(GroupJob):
    """A group that tells its process's number."""

    def open(self) -> Callable[[Any], Any]:
        """See `GroupJob`."""
        answer = super().open()
        return lambda question: os.getpid() if question == "number" else answer(question)


@pytest.fixture(scope="module")
def node() -> Iterator[None]:
    """A cluster of one node on this machine."""
    size: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=size)
    cluster.connect()
    yield
    ray.shutdown()
    cluster.shutdown()


def number_of(replica: RayReplica) -> Any:
    """The replica's process; it may be lost."""
    return replica.ask("number").result(300)


def kill(replica: RayReplica) -> None:
    """End the replica's process, if it is there."""
    number = number_of(replica)
    if isinstance(number, int):
        os.kill(number, signal.SIGKILL)


@pytest.fixture
def replicas(node: None) -> Iterator[list[RayReplica]]:
    """Two of the first group, and one of the second."""
    job = NamedJob(How(verify=True), 1)
    made = [RayReplica(name, job, Share(0.2)) for name in ("1.1", "1.2", "2.1")]
    yield made
    for each in made:
        each.end()


def test_a_killed_actor_is_made_up_for_or_said_and_comes_back(replicas: list[RayReplica], doubled: Path) -> None:
    alone = open_index(doubled, "mine", model=False)
    expected = [plain(alone.answer(request)) for request in REQUESTS]
    groups = Groups([Replicas("group 1", replicas[:2]), Replicas("group 2", replicas[2:])], Patience(300, 300))
    served = open_index(doubled, "mine", model=False, spread=groups)
    assert [plain(served.answer(request)) for request in REQUESTS] == expected
    rank = RankInstancesRequest(REQUEST.queries)
    assert plain(list(served.rank(rank))) == plain(list(alone.rank(rank)))
    kill(replicas[0])
    assert [plain(served.answer(request)) for request in REQUESTS] == expected
    kill(replicas[1])
    kill(replicas[0])
    answer = served.answer(replace(REQUEST, allow_partial=True))
    assert plain(answer) == expected[0] or (answer.info.shards_ok, answer.info.shards_total) == (5, 9)
    assert [plain(served.answer(request)) for request in REQUESTS] == expected
    served.close()
    alone.close()


def test_more_groups_than_there_is_room_for_are_refused(node: None) -> None:
    with (
        pytest.raises(InputError, match=r"room for 1 actors of 1 CPUs now, --groups 2 and --replicas 3 need 6"),
        ray_groups(Dividing(2, 3), GroupJob(How(verify=True), 1)),
    ):
        pass


def test_groups_are_asked_for_with_their_engine() -> None:
    given: Any = {"replicas": 1, "address": None, "cpus": 1.0, "patience": Patience()}
    assert dividing("local", None, **given) is None
    assert dividing("ray", 3, **given) == Dividing(3)
    for engine, groups, what in (("ray", None, "--groups N"), ("local", 2, "--engine ray")):
        with pytest.raises(InputError, match=what):
            dividing(engine, groups, **given)
