"""On a Ray cluster an index is the same to the byte, whatever is lost on the way."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from attridex.indexer.engines.pools import Worker
from attridex.indexer.engines.ray_actors import RayPool, Share, cluster
from attridex.indexer.engines.scheduling import Schedule
from attridex.indexer.errors import InputError
from tests.conftest import Ran
from tests.indexer.building.contents import content
from tests.indexer.building.test_workers import SETTINGS
from tests.indexer.engines.jobs import Marks
from tests.processes import running


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[Cluster]:
    """A cluster of two nodes on this machine."""
    size: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    nodes = Cluster(initialize_head=True, head_node_args={**size, "include_dashboard": False})
    nodes.add_node(**size)
    nodes.connect()
    yield nodes
    ray.shutdown()
    nodes.shutdown()


def test_each_task_is_done_once_whoever_is_lost(two_nodes: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done, units = list[str](), list[int]()
    tasks = ["one", "killed two", "silent three", "four", "five", "six"]

    def hear(task: str, _worker: Worker) -> None:
        done.append(task)
        for node in list(two_nodes.worker_nodes):
            two_nodes.remove_node(node, allow_graceful=False)

    lost = list[str]()
    with cluster(None), closing(RayPool(Marks(tmp_path), 2, Share())) as pool:
        Schedule(pool, iter(tasks), hear, lost.append, 5).run(units.append)
    assert sorted(done) == sorted(tasks)
    for task in ("killed two", "silent three"):
        assert any(f" was lost over {task}: " in line for line in lost), lost
    assert sum(units) == 2 * len(tasks)
    assert all((tmp_path / task).exists() for task in tasks)
    assert capsys.readouterr().out == ""  # where results stand, and where Ray prints whom it lost


def test_another_engine_goes_on_where_the_driver_was_killed(
    two_nodes: Cluster, project: Callable[..., Path], attridex: Callable[..., Ran], tmp_path: Path
) -> None:
    config, index = project(count=30, **SETTINGS), tmp_path / "index"
    command = "from attridex.client.commands.app import main; main()"
    build = ("build", str(config), "--out", str(index), "--engine", "ray", "--address", two_nodes.address)
    with running([sys.executable, "-c", command, *build]) as driver:
        while not list(index.glob("shards/[0-9]*")):
            assert driver.poll() is None, driver.communicate()[1]
            time.sleep(0.01)
    assert attridex("build", config, "--out", index).code == 0
    assert attridex("build", config, "--out", tmp_path / "alone").code == 0
    assert content(index) == content(tmp_path / "alone")


def test_a_cluster_that_is_not_there_is_said_in_a_line() -> None:
    ray.shutdown()
    with pytest.raises(InputError, match=r"engine ray: no cluster at 127\.0\.0\.1:1: "), cluster("127.0.0.1:1"):
        pass


CONNECTED = """
import time
from attridex.indexer.engines.ray_actors import cluster

with cluster(None):
    print("connected", flush=True)
    time.sleep(600)
"""


def test_sigterm_ends_whoever_is_connected_without_a_stack_of_ray() -> None:
    with running([sys.executable, "-c", CONNECTED]) as driver:
        assert driver.stdout
        assert driver.stdout.readline() == "connected\n"
        driver.terminate()
        _, err = driver.communicate()
    assert (driver.returncode, err) == (128 + signal.SIGTERM, "")
