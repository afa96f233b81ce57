"""Workers that are Ray actors, anywhere in a cluster. Ray restarts none and repeats nothing: lost tasks are the schedule's."""

import logging
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from attridex.indexer.engines.pools import Advanced, Done, Heard, Job, Lost, Ready, Task, Work, Worker, failed
from attridex.indexer.engines.stopping import stoppable
from attridex.indexer.errors import AttridexError, InputError, MissingExtraError, one_line

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
try:
    import ray
    from ray._private import worker as ray_worker
    from ray.exceptions import RayError
except ImportError as missing:
    raise MissingExtraError("engine ray: needs the extra: pip install 'attridex[ray]'") from missing

log = logging.getLogger(__name__)
# Ray prints what it knows of lost actors on stdout, where results stand; whoever uses them says so in a line.
ray_worker.print_to_stdstream = lambda data, **_: log.debug("Ray: %s", data)
ANSWER = 10.0
"""Seconds in which a cluster's address must take a connection."""
WANTS_TOKEN = "; where it wants a token, set RAY_AUTH_MODE=token and have that token, as on its nodes"
HIDDEN = {"env_vars": {"CUDA_VISIBLE_DEVICES": ""}}
"""The environment of an actor without a share of a GPU, which would see all of them."""


class Share(NamedTuple):
    """What of a machine one actor takes.

    Attributes:
        cpus: cores, or a part of one.
        gpus: GPUs, or a part of one.
    """

    cpus: float = 1.0
    gpus: float = 0.0


class Told(NamedTuple):
    """What a worker has told since it began: units that are done, and how often it gave a sign of life."""

    units: int
    signs: int


class JobActor:
    """What runs in the actor: one thread works, another tells how far it is."""

    def __init__(self, job: Job) -> None:
        """Nothing is loaded yet."""
        self._job, self._count, self._signs = job, 0, 0
        self._work: Work | None = None

    @ray.method(concurrency_group="work")
    def open(self) -> Heard:
        """Load what the tasks need."""
        try:
            self._work = self._job.open()
        except Exception as error:
            return failed(error)
        return Ready()

    @ray.method(concurrency_group="work")
    def do(self, task: Task) -> Heard:
        """Do a task."""
        try:
            if self._work:
                self._work(task, self._advance)
        except Exception as error:
            return failed(error)
        return Done()

    def _advance(self, count: int) -> None:
        self._count += count
        self._signs += 1

    @ray.method(concurrency_group="tell")
    def count(self) -> Told:
        """What it has told since it began."""
        return Told(self._count, self._signs)


class RayWorker:
    """An actor that does tasks."""

    def __init__(self, name: str, actor: Any) -> None:
        """It opens its job.

        Args:
            name: in messages.
            actor: handle of a `JobActor`.
        """
        self._name, self._actor, self._told = name, actor, Told(0, 0)
        self.running = actor.open.remote()
        self.counting = actor.count.remote()

    @property
    def name(self) -> str:
        """Its number."""
        return self._name

    def give(self, task: Task) -> None:
        """Let it begin with a task."""
        self.running = self._actor.do.remote(task)

    def ended(self) -> list[Heard]:
        """What came of what it ran, which has ended."""
        running, self.running = self.running, None
        try:
            heard = ray.get(running)
            return [*self.further(ray.get(self._actor.count.remote())), heard]
        except RayError as error:
            return [Lost(one_line(error))]

    def counted(self) -> list[Heard]:
        """How much further it is than when it was asked before; the answer is there, and it is asked again."""
        counting, self.counting = self.counting, None
        with suppress(RayError):  # what it runs will say so
            found = self.further(ray.get(counting))
            self.counting = self._actor.count.remote()
            return found
        return []

    def further(self, told: Told) -> list[Heard]:
        """What it has told that was not heard before."""
        before, self._told = self._told, max(told, self._told, key=lambda each: each.signs)
        return [Advanced(self._told.units - before.units)] if self._told.signs > before.signs else []

    def end(self) -> None:
        """Kill it."""
        with suppress(RayError):
            ray.kill(self._actor)


class RayPool:
    """Actors of a cluster.

    Attributes:
        size: how many there are to be.
    """

    def __init__(self, job: Job, size: int, share: Share) -> None:
        """None is started yet; within `cluster`.

        Args:
            job: what they are for.
            size: how many there are to be.
            share: what each takes.
        """
        self.size = size
        remote: Any = ray.remote  # its types do not know of groups
        threads = {"work": 1, "tell": 1}
        self._kind = remote(
            num_cpus=share.cpus,
            num_gpus=share.gpus,
            max_restarts=0,
            max_task_retries=0,
            concurrency_groups=threads,
            runtime_env=None if share.gpus else HIDDEN,
        )(JobActor)
        self._job, self._started = ray.put(job), 0
        self._workers: list[RayWorker] = []

    def start(self) -> Worker:
        """One actor more."""
        self._started += 1
        worker = RayWorker(f"actor {self._started}", self._kind.remote(self._job))
        self._workers.append(worker)
        return worker

    def listen(self, seconds: float) -> list[tuple[Worker, Heard]]:
        """See `Pool.listen`."""
        with one_line_errors():
            found: list[tuple[RayWorker, Heard]] = []
            asked = {each.counting: each for each in self._workers if each.counting}
            for counting in ray.wait([*asked], num_returns=len(asked), timeout=0)[0] if asked else ():
                found += [(asked[counting], heard) for heard in asked[counting].counted()]
            running = {each.running: each for each in self._workers if each.running}
            if not running:
                time.sleep(seconds)
            for ended in ray.wait([*running], timeout=seconds)[0] if running else ():
                found += [(running[ended], heard) for heard in running[ended].ended()]
        for worker, heard in found:
            if isinstance(heard, Lost):
                self._workers.remove(worker)
                worker.end()  # it may be out of reach only
        return list(found)

    def close(self) -> None:
        """End all of them."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()


@contextmanager
def cluster(address: str | None) -> Iterator[None]:
    """Be connected to a cluster, or, where none is named, to one of this machine alone that ends with the block.

    Args:
        address: as `ray.init` takes it; RAY_ADDRESS unless given.

    Raises:
        InputError: there is no cluster at the address.
    """
    if ray.is_initialized():
        yield
        return
    where = address or os.environ.get("RAY_ADDRESS")
    settings: Any = {"address": where} if where else {"address": "local", "include_dashboard": False}
    with stoppable() as again:
        try:
            check_answers(where)
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **settings)
        except (RayError, OSError, RuntimeError, ValueError) as error:
            hint = WANTS_TOKEN if where and not os.environ.get("RAY_AUTH_MODE") else ""
            raise InputError(f"engine ray: no cluster at {where or 'this machine'}: {one_line(error)}{hint}") from None
        again()
        try:
            yield
        finally:
            ray.shutdown()


def check_answers(address: str | None) -> None:
    """Look whether anybody listens at `host:port`; Ray itself tries for minutes.

    Raises:
        OSError: nobody does.
    """
    host, colon, port = (address or "").rpartition(":")
    if colon and "/" not in host and port.isdigit():
        socket.create_connection((host, int(port)), ANSWER).close()


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Let what Ray raises of the cluster itself be an error in a line."""
    try:
        yield
    except RayError as error:
        raise AttridexError(f"engine ray: {one_line(error)}") from error


def share_of(cpus: float, gpus: float | None, *, any_device: bool) -> Share:
    """What an actor takes of the cluster: a GPU, unless it is said otherwise, where there are some and the model may use them.

    Args:
        cpus: cores.
        gpus: GPUs, if it is said.
        any_device: the model is not bound to CPUs.
    """
    there = ray.cluster_resources().get("GPU", 0.0) if any_device else 0.0  # type: ignore[no-untyped-call]  # no annotations
    return Share(cpus, (1.0 if there else 0.0) if gpus is None else gpus)


def room_for(share: Share) -> int:
    """How many actors of a share the cluster has room for now, at least one.

    Raises:
        InputError: no node is large enough for one.
    """
    wanted = {name: each for name, each in (("CPU", share.cpus), ("GPU", share.gpus)) if each}
    known: Sequence[Mapping[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]  # no annotations
    nodes = [node["Resources"] for node in known if node["Alive"]]
    if not any(all(node.get(name, 0.0) >= each for name, each in wanted.items()) for node in nodes):
        raise InputError(
            f"engine ray: no node has {share.cpus:g} CPUs and {share.gpus:g} GPUs; see engine.worker_cpus and engine.worker_gpus"
        )
    free: Mapping[str, float] = ray.available_resources()  # type: ignore[no-untyped-call]  # no annotations
    return max(1, int(min(free.get(name, 0.0) / each for name, each in wanted.items())))
