"""What a build would cost, before it begins: rows and tokens are counted, a pilot gives the rest.

Sizes of vectors follow from their format. Other files grow as they did in the pilot, and time as its tokens did (neurons: as
sequences and tokens). Memory is the model's weights, the pilot's largest pass, and the arrays of one range of instances.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from attridex.indexer.building.memory import resident
from attridex.indexer.building.pilot import Load, Pilot, run_pilot, sampled
from attridex.indexer.building.plan import Plan, check_bound, make_plan, survey_corpus
from attridex.indexer.building.ranges import whole_ranges
from attridex.indexer.config import Config
from attridex.indexer.index.layout import (
    ACTIVATIONS,
    ATTRIBUTIONS,
    CATALOG,
    CSC_INDPTR,
    CURVATURE,
    FACTORS,
    GRADIENTS,
    HIDDEN,
    INSTANCES,
    MANIFEST,
    SIDECAR,
    TOMBSTONES,
    TRACIN,
)
from attridex.indexer.models.loading import LoadedModel
from attridex.indexer.signing.signer import Signer

FIXED = (CSC_INDPTR, CURVATURE, TOMBSTONES, MANIFEST, "bm25_indptr.npy", "bm25_vocab.json", "bm25_params.json")
"""Files of a version that do not grow with instances, or hardly (a vocabulary)."""
CATALOG_NEURON, CATALOG_OUTPUT, CATALOG_ROW = 12, 9, 48
"""Bytes that a kept neuron, an output's probability and an instance beside its texts take in the catalog, measured."""
LIST_ENTRY = 200
"""Bytes of a shard in the manifest."""


@dataclass(frozen=True)
class Forecast:
    """What a build would do and take; bytes, and seconds on this machine.

    Attributes:
        instances: rows of the index.
        tokens: over all instances.
        truncated: instances cut to fit the model.
        gradient_dim: stored dimensions of a gradient.
        shards: how many ranges there are.
        pilot: instances that were signed to know all this.
        vectors: bytes of each kind of vector, exactly rows x dimensions x bytes of an element.
        disk: bytes of the whole index, about.
        memory: bytes of the model, of a pass, of the arrays of a range, of the process before them, and `host` and
            `device`, the peaks that they add up to. `host` is memory in use: on a CPU glibc's heap, full of holes after
            batches of many sizes, was seen to hold up to twice that.
        seconds: of reading the corpus, gradients, neurons, and `total`, for all instances.
        there: instances that an earlier build has indexed already.
    """

    instances: int
    tokens: int
    truncated: int
    gradient_dim: int
    shards: int
    pilot: int
    vectors: dict[str, int]
    disk: int
    memory: dict[str, int]
    seconds: dict[str, float]
    there: int

    def facts(self) -> dict[str, Any]:
        """As JSON shows it."""
        return asdict(self)


def dry_run(config: Config, index: Path, *, show_progress: bool = True) -> Forecast:
    """Forecast a build of `index`, where nothing is written.

    Raises:
        InputError: whatever `build.build` would refuse before it begins.
    """
    if config.engine.threads is not None:
        torch.set_num_threads(config.engine.threads)
    found = survey_corpus(config)
    signer = Signer.load(config)
    plan = make_plan(config, found, signer)
    check_bound(plan, index)
    base = resident("VmRSS")
    began = time.perf_counter()
    sample, total = sampled(plan, signer)
    reading = time.perf_counter() - began
    pilot = run_pilot(plan, signer, sample, show_progress=show_progress)
    vectors = vector_bytes(plan, signer)
    return Forecast(
        instances=found.instances,
        tokens=found.tokens,
        truncated=found.truncated,
        gradient_dim=signer.gradient_dim,
        shards=len(plan.ranges),
        pilot=pilot.rows,
        vectors=vectors,
        disk=sum(vectors.values()) + other_bytes(plan, signer, pilot),
        memory=memory(plan, signer, pilot, base),
        seconds=seconds(pilot, total, reading),
        there=sum(whole_ranges(index, plan).values()),
    )


def dimensions(signer: Signer) -> dict[str, int]:
    """Dimensions of each kind of vector that an index stores."""
    found = {GRADIENTS: signer.gradient_dim, HIDDEN: signer.arch.hidden}
    if signer.config.neurons.enabled:
        found |= {ACTIVATIONS: signer.dense.dim, ATTRIBUTIONS: signer.dense.dim}
    if signer.checkpoints:
        found[TRACIN] = signer.gradient_dim * len(signer.checkpoints)
    return found


def element(plan: Plan, dim: int) -> int:
    """Bytes of a stored vector's element."""
    return 4 if plan.precision(dim) == "float32" else 2


def vector_bytes(plan: Plan, signer: Signer) -> dict[str, int]:
    """Bytes of each kind of vector by its name."""
    rows = plan.survey.instances
    return {Path(name).stem: rows * dim * element(plan, dim) for name, dim in dimensions(signer).items()}


def other_bytes(plan: Plan, signer: Signer, pilot: Pilot) -> int:
    """Bytes of all but the vectors' elements: they grow by instance from what they are for none."""
    rows, shards, size = plan.survey.instances, len(plan.ranges), dimensions(signer)
    total = 0.0
    for name, filled in pilot.shard.items():
        if name in size:
            total += shards * (filled - pilot.rows * size[name] * element(plan, size[name]))
        elif name in (FACTORS, SIDECAR):
            total += shards * filled
        else:
            grown = (filled - pilot.empty[name]) / pilot.rows
            total += shards * pilot.empty[name] + rows * grown
    texts = (pilot.shard[INSTANCES] - pilot.empty[INSTANCES]) / pilot.rows
    more = max(0, rows - pilot.rows)
    for name, filled in pilot.version.items():
        if name == CATALOG:
            outputs = len(signer.labels) or 1
            row = CATALOG_ROW + texts + CATALOG_NEURON * pilot.neurons / pilot.rows + CATALOG_OUTPUT * outputs
            total += filled + more * row
        else:
            total += filled if name in FIXED else filled * rows / pilot.rows
    return round(total) + shards * LIST_ENTRY


def memory(plan: Plan, signer: Signer, pilot: Pilot, base: int) -> dict[str, int]:
    """Bytes at the peak; `base` is what the process took once the model was loaded."""
    rows = min(plan.config.index.shard_rows, plan.survey.instances)
    dims = dimensions(signer)
    # Beside the arrays of a range, writing the widest one holds its chosen rows, its unit rows and the file's own copy.
    arrays = rows * 4 * (sum(dims.values()) + 3 * max(dims.values()))
    weights = sum(map(weight_bytes, [signer.loaded, *signer.earlier]))
    on_gpu = signer.loaded.device.type == "cuda"
    host = base + arrays + (0 if on_gpu else pilot.pass_bytes)
    return {
        "model": weights,
        "pass": pilot.pass_bytes,
        "range": arrays,
        "process": base if on_gpu else max(0, base - weights),
        "host": host,
        "device": weights + pilot.pass_bytes if on_gpu else 0,
    }


def weight_bytes(loaded: LoadedModel) -> int:
    """Bytes of a model's parameters and buffers."""
    model = loaded.arch.model
    return sum(tensor.numel() * tensor.element_size() for tensor in [*model.parameters(), *model.buffers()])


def seconds(pilot: Pilot, total: Load, reading: float) -> dict[str, float]:
    """Time of a build's parts; the corpus is read twice."""
    loads = [timing.load for timing in pilot.timings]
    gradients = sum(timing.gradients for timing in pilot.timings) * total.tokens / sum(load.tokens for load in loads)
    work = np.array([[load.probes, load.probe_tokens] for load in loads], np.float64)
    neurons = extrapolated(work, np.array([timing.neurons for timing in pilot.timings]), total)
    parts = {"reading": 2 * reading, "gradients": gradients, "neurons": neurons}
    return {**parts, "total": sum(parts.values())}


def extrapolated(work: np.ndarray[Any, Any], taken: np.ndarray[Any, Any], total: Load) -> float:
    """Seconds for all neurons: so much a sequence and so much a token (least squares), or by tokens where that does not fit."""
    if len(work) >= 3:
        rates = np.linalg.lstsq(work, taken, rcond=None)[0]
        if (rates >= 0).all():
            return float(rates @ (total.probes, total.probe_tokens))
    return float(taken.sum() * total.probe_tokens / max(1.0, work[:, 1].sum()))
