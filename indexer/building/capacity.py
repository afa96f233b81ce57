"""What an index of another size would take, reckoned from a sample of its corpus: disk, memory, time, machines, money.

Everything is of this attridex, measured here: sizes are a dry run's for that many instances, time is its time, and a scan reads
all of a kind of vector at the speed with which this machine's memory was seen to be read. docs/capacity.md has the formulas.
"""

import time
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import torch

from attridex.indexer.building.dry_run import Tried
from attridex.indexer.building.forecast import forecast_memory, other_bytes, vector_bytes, version_bytes
from attridex.indexer.errors import InputError
from attridex.indexer.held.memory import as_option
from attridex.indexer.index.layout import CATALOG, MANIFEST, MANIFEST_COPY, MOST_ROWS

READ, TIMES = 1 << 28, 5
"""Bytes that the memory's speed is tried with, and how often: the fastest counts."""
ON_DISK = (CATALOG, MANIFEST, MANIFEST_COPY)
"""Files of a version that no look-up keeps in memory."""
GIB = 1 << 30


@dataclass(frozen=True)
class Means:
    """What there is to build and serve with.

    Attributes:
        memory: bytes of a machine that serves.
        hours: that a build may take.
        speed: of a worker, in this machine's.
        price: of a GiB of storage a month, in any currency.
    """

    memory: int
    hours: float
    speed: float = 1.0
    price: float = 0.0


@dataclass(frozen=True)
class Capacity:
    """What an index of a size takes.

    Attributes:
        instances: rows.
        tokens: of their texts.
        indices: that they need; one holds `MOST_ROWS` at most.
        disk: bytes of all files.
        vectors: bytes of each kind of vector.
        lookups: bytes of what else look-ups read: postings, BM25 and their like.
        others: bytes of all other files: the catalog, and tables of shards.
        build_hours: of one worker.
        workers: that build it in time; each a GPU, or a machine like this one.
        worker_memory: bytes of each: `host`, and of its GPU `device`.
        serving_machines: that hold all vectors and look-ups in memory, each beside the model.
        scan_seconds: of one exact query on them, by kind of vector.
        storage_price: a month.
    """

    instances: int
    tokens: int
    indices: int
    disk: int
    vectors: dict[str, int]
    lookups: int
    others: int
    build_hours: float
    workers: int
    worker_memory: dict[str, int]
    serving_machines: int
    scan_seconds: dict[str, float]
    storage_price: float


def capacity(tried: Tried, instances: int, means: Means, reading: float) -> Capacity:
    """Reckon what an index of so many instances takes.

    Args:
        tried: a build of a sample of them.
        instances: at least one.
        means: to build and serve with.
        reading: bytes a second that a scan reads.

    Raises:
        InputError: a machine's memory holds not even the model.
    """
    room = means.memory - tried.base
    if room <= 0:
        raise InputError(f"--memory {as_option(means.memory)}: the model and its process alone take {as_option(tried.base)}")
    plan, signer = tried.build.plan.part(instances), tried.build.signer
    vectors = vector_bytes(plan, signer)
    disk = sum(vectors.values()) + other_bytes(plan, signer, tried.pilot)
    lookups = round(sum(version_bytes(plan, signer, tried.pilot, name) for name in tried.pilot.version if name not in ON_DISK))
    hours = tried.seconds(instances)["total"] / means.speed / 3600
    machines = max(1, ceil((sum(vectors.values()) + lookups) / room))
    memory = forecast_memory(plan, signer, tried.pilot, tried.base)
    return Capacity(
        instances=instances,
        tokens=plan.survey.tokens,
        indices=ceil(instances / MOST_ROWS),
        disk=disk,
        vectors=vectors,
        lookups=lookups,
        others=disk - sum(vectors.values()) - lookups,
        build_hours=hours,
        workers=max(1, ceil(hours / means.hours)),
        worker_memory={name: memory[name] for name in ("host", "device") if memory[name]},
        serving_machines=machines,
        scan_seconds={Path(name).stem: size / machines / reading for name, size in vectors.items()},
        storage_price=disk / GIB * means.price,
    )


def reading_speed() -> float:
    """Bytes a second that all cores read from memory, in a float32 matrix-vector product, which does nothing slower."""
    matrix, vector = torch.zeros(READ >> 14, 1 << 12), torch.ones(1 << 12)
    taken = list[float]()
    for _ in range(TIMES):
        began = time.perf_counter()
        torch.mv(matrix, vector)
        taken.append(time.perf_counter() - began)
    return READ / min(taken)
