"""Every range of a build, each once: by this process, by several of this machine, or by the actors of a Ray cluster."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import torch

from attridex.indexer.ahead import Behind, prefetched
from attridex.indexer.building.plan import Plan, checked_signer
from attridex.indexer.building.ranges import build_range, is_whole, signed_range, whole_ranges, write_range
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.corpus.reading import rendered
from attridex.indexer.corpus.spool import Spool
from attridex.indexer.corpus.tally import Tally
from attridex.indexer.engines.pools import Pool, Work, Worker
from attridex.indexer.engines.processes import ProcessPool
from attridex.indexer.engines.scheduling import Schedule
from attridex.indexer.errors import InputError
from attridex.indexer.files import clear_leftovers
from attridex.indexer.index.layout import shard_name
from attridex.indexer.models.loading import resolve_device
from attridex.indexer.progress import Advance, progress, say
from attridex.indexer.signing.signer import Signer

SHARED = "every worker needs the same file system"


@dataclass(frozen=True)
class RangeTask:
    """A range that is to be built; it prints as what it is called in messages.

    Attributes:
        start: place of its first instance in the corpus.
        instances: of the range.
    """

    start: int
    instances: Sequence[RenderedInstance]

    @property
    def shard(self) -> str:
        """Name of what it becomes."""
        return shard_name(self.start, self.start + len(self.instances))

    def __str__(self) -> str:
        """Its shard."""
        return f"shard {self.shard}"


@dataclass(frozen=True)
class RangeJob:
    """Building ranges of a plan, wherever the model and the index are at the same places.

    Attributes:
        plan: of the build.
        index: the index directory.
        threads: of PyTorch.
    """

    plan: Plan
    index: Path
    threads: int

    def open(self) -> Work:
        """Load the model.

        Raises:
            InputError: it is another model here, or the index is not here.
        """
        torch.set_num_threads(self.threads)
        if not self.index.is_dir():
            raise InputError(f"{self.index}: not seen by a worker on {os.uname().nodename}; {SHARED}")
        signer = checked_signer(self.plan.config)
        if signer.identity() != self.plan.model:
            raise InputError(f"{self.plan.config.model.path}: another model for a worker on {os.uname().nodename}")

        def work(task: RangeTask, advance: Advance) -> None:
            build_range(signer, self.plan, self.index, task.start, task.instances, advance, keep_whole=True)

        return work


def build_ranges(
    plan: Plan,
    signer: Signer,
    index: Path,
    *,
    show_progress: bool,
    begin: Callable[[], None] = lambda: None,
    verified: bool = False,
    spool: Spool | None = None,
) -> int:
    """Build every range that is not there yet, in one pass over the corpus.

    Here, the next range is read and the last one written in threads while one is signed.

    Args:
        plan: of the build; its `engine` says by whom.
        signer: signs instances where this process builds.
        index: the index directory.
        show_progress: whether a bar or lines go to stderr.
        begin: is called before the first of them, if any is left to be built.
        verified: every shard that is there was compared with what was written just now.
        spool: what the survey rendered; the corpus is rendered again without it.

    Returns:
        How many instances were signed now; the rest was there from an earlier run.
    """
    whole = whole_ranges(index, plan, verified=verified)
    done = sum(whole.values())
    left = len(plan.shards) - len(whole)
    if not left:
        return 0
    begin()
    tasks = tasks_of(plan, signer, whole, spool)
    shown = progress("Indexing", plan.survey.instances, "instances", enabled=show_progress, done=done)
    if plan.config.engine.alone:
        with shown as advance, prefetched(tasks) as ahead, Behind() as behind:
            for task in ahead:
                results = signed_range(signer, plan, task.instances, advance)
                behind(partial(write_range, results, plan, index, task.start, task.instances))
    else:
        with pool_for(plan, index, left) as pool, closing(pool):
            schedule = Schedule(pool, tasks, seen(plan, index), say, plan.config.engine.stall_seconds)
            schedule.begin()
            with shown as advance:
                schedule.run(advance)
        clear_leftovers(index)  # of workers that were lost
    return plan.survey.instances - done


def tasks_of(plan: Plan, signer: Signer, whole: dict[str, int], spool: Spool | None) -> Iterator[RangeTask]:
    """The ranges that are not there yet, rendered as they are wanted.

    Args:
        plan: of the build.
        signer: its renderer reads records.
        whole: shards that are there.
        spool: see `build_ranges`.
    """
    stream = instances_of(plan, signer, spool)
    for (start, stop), name in zip(plan.ranges, plan.shards, strict=True):
        instances = list(islice(stream, stop - start))
        if name not in whole:
            yield RangeTask(start, instances)


def instances_of(plan: Plan, signer: Signer, spool: Spool | None) -> Iterator[RenderedInstance]:
    """All instances of a plan, as its survey rendered them or rendered again."""
    if spool and spool.kept == plan.survey.instances:
        yield from spool.read()
        return
    needed = plan.config.gradients.label == "gold"
    for _, instance in rendered(plan.config.corpus, signer.renderer, labels_needed=needed, first=plan.first_record):
        yield instance


def seen(plan: Plan, index: Path) -> Callable[[RangeTask, Worker], None]:
    """A check that what a worker wrote is here.

    Args:
        plan: of the build.
        index: the index directory.
    """

    def check(task: RangeTask, worker: Worker) -> None:
        if not is_whole(index, plan, task.shard, verified=True):
            raise InputError(f"{index}: {task} was written by {worker.name} and is not here; {SHARED}")

    return check


@contextmanager
def pool_for(plan: Plan, index: Path, left: int) -> Iterator[Pool]:
    """Those who build.

    Args:
        plan: of the build.
        index: the index directory.
        left: ranges that are to be built.

    Raises:
        MissingExtraError: Ray is asked for and not there.
        InputError: there is no cluster.
    """
    engine = plan.config.engine
    plan = replace(plan, tally=Tally(plan.config.model.task))  # what the corpus says is no worker's matter
    if engine.kind == "ray":
        from attridex.indexer.engines.ray_actors import RayPool, cluster, room_for, share_of

        with cluster(engine.address):
            share = share_of(engine.worker_cpus, engine.worker_gpus, any_device=plan.config.model.device != "cpu")
            room = room_for(share)  # refuses a share that no node has, also where workers are counted
            size = min(left, engine.workers or room)
            threads = engine.threads or max(1, int(share.cpus))
            yield RayPool(RangeJob(plan, index.resolve(), threads), size, share)
    else:
        size = min(left, engine.workers or 1)
        threads = engine.threads or max(1, torch.get_num_threads() // size)
        yield ProcessPool(RangeJob(plan, index.resolve(), threads), size, devices(plan.config.model.device))


def devices(name: str) -> list[dict[str, str]]:
    """Variables by which processes take the GPUs of this machine in turn, where they are to use them."""
    if resolve_device(name) != torch.device("cuda"):
        return [{}]
    known = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    numbers = known if any(known) else map(str, range(torch.cuda.device_count()))
    return [{"CUDA_VISIBLE_DEVICES": number} for number in numbers]
