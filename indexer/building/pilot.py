"""A pilot: a sample of the corpus, signed and written to a temporary directory as a build would, with its time and memory."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from attridex.indexer.building.load import Load, counted, work_of
from attridex.indexer.building.memory import watched
from attridex.indexer.building.pace import SHORT, Pace, measured_pace, one_target, shortened
from attridex.indexer.building.plan import Plan
from attridex.indexer.building.ranges import RangeResults, write_range
from attridex.indexer.building.versions import commit
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.corpus.tally import Tally
from attridex.indexer.curvature.matrices import largest, stored_bytes
from attridex.indexer.index.layout import CURVATURE, shard_dir, version_dir
from attridex.indexer.progress import Advance, progress
from attridex.indexer.signing.signer import Signer

SECONDS = 8.0
"""No group of instances is begun that would end later, once a pace is found in half of it."""
DECOMPOSED = 1024
"""Rows of the largest matrix that a pilot decomposes; the size of larger ones is reckoned."""
GROUPS = 8
"""Least number of groups of like length that a sample is cut into."""


@dataclass(frozen=True)
class Timing:
    """Seconds that a group took."""

    load: Load
    gradients: float
    neurons: float


@dataclass(frozen=True)
class Pilot:
    """What a pilot found.

    Attributes:
        rows: instances signed.
        timings: of each group; none where the model is too slow for one.
        pass_bytes: memory of the largest pass, beside the model and the results.
        neurons: neurons kept, over all rows.
        empty: size of each of a shard's files for no instance.
        shard: size of each of a shard's files for `rows` instances.
        version: size of each of a version's files for `rows` instances.
        pace: found before anything was signed.
    """

    rows: int
    timings: list[Timing]
    pass_bytes: int
    neurons: int
    empty: dict[str, int]
    shard: dict[str, int]
    version: dict[str, int]
    pace: Pace = field(default_factory=lambda: Pace(0.0))


def groups(lengths: Sequence[int], budget: int, cap: int) -> list[range]:
    """Stretches of a sample sorted by length, each up to `budget` tokens and `cap` instances.

    Their order is one whose beginnings cover all lengths. The first is as large as a build's batches are, so that its memory is
    theirs, if the cap allows; of the others there are several.
    """
    found, start, tokens = list[range](), 0, 0
    most = max(1, len(lengths) // GROUPS)
    for at, length in enumerate(lengths):
        if at > start and (tokens + length > budget or at - start >= (min(most, cap) if found else cap)):
            found.append(range(start, at))
            start, tokens = at, 0
        tokens += length
    found.append(range(start, len(lengths)))
    width = len(found).bit_length()
    return [found[number] for number in sorted(range(len(found)), key=lambda n: f"{n:0{width}b}"[::-1])]


def run_pilot(plan: Plan, signer: Signer, sample: Sequence[RenderedInstance], *, show_progress: bool) -> Pilot:
    """Sign a sample, the longest group first, as far as SECONDS allow; then write what was signed.

    Args:
        plan: of the build.
        signer: signs the sample.
        sample: instances, longest first.
        show_progress: whether a bar or lines go to stderr.
    """
    with watched(signer.loaded.device) as peak, progress("Pilot", len(sample), "instances", enabled=show_progress) as advance:
        pace = measured_pace(signer, sample, SECONDS / 2)
        cap = cap_of(signer, pace, sample)
        tried = sample if cap else [shortened(one_target(sample[-1]), SHORT)]
        results = RangeResults(signer, plan, len(tried))
        signed = list(timed(results, tried, Signing(plan, signer, pace, cap), advance)) if cap else hasty(results, tried)
    passes = peak.bytes * share_unseen(plan, signer, pace, sample)
    with tempfile.TemporaryDirectory(prefix="attridex-pilot-") as directory:
        rows, sizes = written(Path(directory), results, plan, signer, tried)
    return Pilot(rows, signed, round(passes), sum(map(len, results.kept)), sizes[0], sizes[1], sizes[2], pace)


def cap_of(signer: Signer, pace: Pace, sample: Sequence[RenderedInstance]) -> int:
    """Instances of the longest kind that fit into half of SECONDS; 0 for models that are too slow for one."""
    return min(len(sample), int(SECONDS / 2 / pace.seconds(work_of(signer, counted(sample[:1])))))


def hasty(results: RangeResults, tried: Sequence[RenderedInstance]) -> list[Timing]:
    """Sign one short text in the fastest way, so that there is something to be written; its time says nothing."""
    results.take_gradients(tried, range(len(tried)), lambda _count: None)
    results.score_neurons(tried, range(len(tried)), lambda _count: None, fast=True)
    return []


def share_unseen(plan: Plan, signer: Signer, pace: Pace, sample: Sequence[RenderedInstance]) -> float:
    """How many times larger than what was tried the passes of a build are, at most.

    Args:
        plan: of the build.
        signer: of the build.
        pace: tells what was tried.
        sample: instances, longest first.
    """
    batch = min(plan.config.engine.tokens, plan.survey.tokens)
    found = [1.0, batch / pace.tokens]
    if plan.config.neurons.enabled and pace.sequences > 1:
        at_once = min(signer.scorer.at_once(sample[0].longest), plan.survey.instances)
        found.append(at_once / pace.sequences)
    return max(found)


class Signing(NamedTuple):
    """How a sample is signed: by which plan and signer, at which pace, and so many instances at most in a group."""

    plan: Plan
    signer: Signer
    pace: Pace
    cap: int


def timed(results: RangeResults, sample: Sequence[RenderedInstance], signing: Signing, advance: Advance) -> Iterator[Timing]:
    """Sign group after group, each only if it will end in time; the first in any case.

    Args:
        results: where signatures are put.
        sample: instances, longest first.
        signing: how.
        advance: hears of instances that are signed.
    """
    order = groups([instance.tokens for instance in sample], signing.plan.config.engine.tokens, signing.cap)
    began = time.perf_counter()
    for number, rows in enumerate(order):
        instances = [sample[row] for row in rows]
        load = work_of(signing.signer, counted(instances))
        start = time.perf_counter()
        if number and start - began + signing.pace.seconds(load) > SECONDS:
            return
        results.take_gradients(instances, rows, lambda _count: None)
        middle = time.perf_counter()
        results.score_neurons(instances, rows, lambda _count: None)
        end = time.perf_counter()
        advance(len(rows))
        yield Timing(load, middle - start, end - middle if results.neurons else 0.0)


def written(
    directory: Path, results: RangeResults, plan: Plan, signer: Signer, instances: Sequence[RenderedInstance]
) -> tuple[int, list[dict[str, int]]]:
    """Write an index of what is signed of the sample, and an empty shard.

    Args:
        directory: where.
        results: of the sample.
        plan: of the build.
        signer: of the build.
        instances: the sample.

    Returns:
        Rows that were written, and bytes of each file of the empty shard, of the sample's shard, and of its version.
    """
    index, empty = directory / "index", directory / "empty"
    empty.mkdir()
    results.write(empty, instances, [])
    kinds, blocks = plan.config.gradients.curvature, signer.gradients.blocks
    slow = largest(kinds, blocks) > DECOMPOSED
    gradients = plan.config.gradients.model_copy(update={"curvature": [] if slow else kinds})
    one_shard = plan.config.index.model_copy(update={"shard_rows": len(instances)})
    survey = replace(plan.survey, instances=len(instances))
    config = plan.config.model_copy(update={"index": one_shard, "gradients": gradients})
    small = replace(plan, survey=survey, config=config, tally=Tally())  # the whole corpus's would be of other places
    sidecar = write_range(results, small, index, 0, instances)
    manifest = commit(index, small, signer, measured=False)
    places = (empty, shard_dir(index, small.shards[0]), version_dir(index, manifest.version))
    sizes = [{path.name: path.stat().st_size for path in place.iterdir()} for place in places]
    return sidecar.rows, [*sizes[:2], sizes[2] | ({CURVATURE: stored_bytes(kinds, blocks)} if slow else {})]
