"""What a build takes, reckoned from a pilot.

Sizes of vectors follow from their format. Other files grow as they did in the pilot, and time as its tokens did (neurons: as
sequences and tokens). Memory is the model's weights, the pilot's largest pass, and the arrays of one range of instances.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attridex.indexer.building.load import Load
from attridex.indexer.building.pilot import Pilot
from attridex.indexer.building.plan import Plan
from attridex.indexer.building.ranges import vector_dims
from attridex.indexer.fit import Fit
from attridex.indexer.index.layout import (
    BM25,
    CATALOG,
    CSC_INDPTR,
    CURVATURE,
    FACTORS,
    INSTANCES,
    MANIFEST,
    MANIFEST_COPY,
    SIDECAR,
    TOMBSTONES,
)
from attridex.indexer.models.loading import LoadedModel
from attridex.indexer.signing.signer import Signer

FIXED = (CSC_INDPTR, CURVATURE, TOMBSTONES, MANIFEST, MANIFEST_COPY, BM25["indptr_name"], BM25["vocab_name"], BM25["params_name"])
"""Files of a version that do not grow with instances, or hardly (a vocabulary)."""
CATALOG_NEURON, CATALOG_OUTPUT, CATALOG_ROW = 12, 9, 48
"""Bytes that a kept neuron, an output's probability and an instance beside its texts take in the catalog, measured."""
ARRAY_HEADER = 128
"""Bytes of a NumPy file without elements."""
LIST_ENTRY = 200
"""Bytes of a shard in the manifest."""


@dataclass(frozen=True)
class Forecast:
    """What a build would do and take.

    Attributes:
        instances: rows of the index.
        tokens: over all instances.
        truncated: instances cut to fit the model.
        gradient_dim: stored dimensions of a gradient.
        shards: how many ranges there are.
        pilot: instances that were signed to know all this.
        vectors: bytes of each kind of vector, exactly rows x dimensions x bytes of an element.
        disk: bytes of the whole index, about.
        memory: bytes at the peak: of the weights (`model`), the pilot's largest `pass`, the arrays of one `range` of
            instances, the `process` before them, and of all (`host`, `device`): on a CPU glibc's heap, full of holes
            after batches of many sizes, was seen to hold up to twice that; without a GPU `device` is 0.
        seconds: on this machine, of `reading` the corpus, of `gradients`, of `neurons`, and in `total`.
        there: instances that an earlier build has indexed already.
        fast_neurons: seconds of `neurons` by rule = "gradient".
        left_out: records that cannot be used.
        fit: the check of fit on a sample.
        unreplayed: why a GPU's passes are plain ones, where they are.
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
    fast_neurons: float = 0.0
    left_out: int = 0
    fit: Fit | None = None
    unreplayed: str = ""


def element(plan: Plan, dim: int) -> int:
    """Bytes of a stored vector's element."""
    return 4 if plan.precision(dim) == "float32" else 2


def vector_bytes(plan: Plan, signer: Signer) -> dict[str, int]:
    """Bytes of each kind of vector by its name."""
    rows = plan.survey.instances
    return {Path(name).stem: rows * dim * element(plan, dim) for name, dim in vector_dims(signer).items()}


def other_bytes(plan: Plan, signer: Signer, pilot: Pilot) -> int:
    """Bytes of all but the vectors' elements: they grow by instance from what they are for none."""
    total = sum(shard_bytes(plan, signer, pilot, name) for name in pilot.shard)
    total += sum(version_bytes(plan, signer, pilot, name) for name in pilot.version)
    return round(total) + plan.shard_count * LIST_ENTRY


def shard_bytes(plan: Plan, signer: Signer, pilot: Pilot, name: str) -> float:
    """Bytes of a file in all shards together, of vectors without their elements.

    Args:
        plan: of the build.
        signer: of the build.
        pilot: whose files are known.
        name: of the file.
    """
    shards = plan.shard_count
    if name in vector_dims(signer):
        return shards * pilot.empty[name]
    if name in (FACTORS, SIDECAR):
        return shards * pilot.shard[name]
    return shards * pilot.empty[name] + plan.survey.instances * grown(pilot, name)


def grown(pilot: Pilot, name: str) -> float:
    """Bytes by which a shard's file grows with each instance."""
    return (pilot.shard[name] - pilot.empty[name]) / pilot.rows


def version_bytes(plan: Plan, signer: Signer, pilot: Pilot, name: str) -> float:
    """Bytes of a file of the version.

    Args:
        plan: of the build.
        signer: of the build.
        pilot: whose files are known.
        name: of the file.
    """
    filled, rows = pilot.version[name], plan.survey.instances
    if name == CATALOG:
        outputs = len(signer.labels) or 1
        row = CATALOG_ROW + grown(pilot, INSTANCES) + CATALOG_NEURON * pilot.neurons / pilot.rows + CATALOG_OUTPUT * outputs
        return filled + max(0, rows - pilot.rows) * row
    if name in FIXED:
        return filled
    fixed = ARRAY_HEADER if name.endswith(".npy") else 0
    return fixed + (filled - fixed) * rows / pilot.rows


def forecast_memory(plan: Plan, signer: Signer, pilot: Pilot, base: int) -> dict[str, int]:
    """Bytes at the peak, as in `Forecast.memory`.

    Args:
        plan: of the build.
        signer: with the loaded model.
        pilot: whose passes were watched.
        base: what the process took once the model was loaded.
    """
    rows = min(plan.config.index.shard_rows, plan.survey.instances)
    dims = vector_dims(signer)
    # A range is written while the next is signed; writing the widest array holds its chosen rows, unit rows and the file's copy.
    signed = 1 if rows == plan.survey.instances else 2
    arrays = rows * 4 * (signed * sum(dims.values()) + 3 * max(dims.values()))
    weights = sum(map(weight_bytes, [signer.loaded, *signer.earlier]))
    on_gpu = signer.loaded.device.type == "cuda"
    return {
        "model": weights,
        "pass": pilot.pass_bytes,
        "range": arrays,
        "process": base if on_gpu else max(0, base - weights),
        "host": base + arrays + (0 if on_gpu else pilot.pass_bytes),
        "device": weights + pilot.pass_bytes if on_gpu else 0,
    }


def weight_bytes(loaded: LoadedModel) -> int:
    """Bytes of a model's parameters and buffers."""
    model = loaded.arch.model
    return sum(tensor.numel() * tensor.element_size() for tensor in [*model.parameters(), *model.buffers()])


def forecast_time(pilot: Pilot, total: Load, reading: float) -> dict[str, float]:
    """Time of a build's parts, as in `Forecast.seconds`; the corpus is read twice."""
    parts = {"reading": 2 * reading, "gradients": gradient_time(pilot, total), "neurons": neuron_time(pilot, total)}
    return {**parts, "total": sum(parts.values())}


def gradient_time(pilot: Pilot, total: Load) -> float:
    """Seconds for all gradients, by tokens."""
    if not pilot.timings:
        return pilot.pace.gradients * total.tokens
    return sum(timing.gradients for timing in pilot.timings) * total.tokens / sum(timing.load.tokens for timing in pilot.timings)


def neuron_time(pilot: Pilot, total: Load) -> float:
    """Seconds for all neurons."""
    if not pilot.timings:
        return pilot.pace.neurons * total.probe_tokens
    work = np.array([[timing.load.probes, timing.load.probe_tokens] for timing in pilot.timings], np.float64)
    return extrapolated(work, np.array([timing.neurons for timing in pilot.timings]), total)


def extrapolated(work: NDArray[np.float64], taken: NDArray[np.float64], total: Load) -> float:
    """Seconds for all neurons: so much a sequence and so much a token (least squares), or by tokens where that does not fit."""
    if len(work) >= 3:
        rates = np.linalg.lstsq(work, taken, rcond=None)[0]
        if (rates >= 0).all():
            return float(rates @ (total.probes, total.probe_tokens))
    return float(taken.sum() * total.probe_tokens / max(1.0, work[:, 1].sum()))
