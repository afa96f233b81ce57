"""A pilot: a sample of the corpus, signed and written to a temporary directory as a build would, with its time and memory."""

import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from attridex.indexer.building.memory import watched
from attridex.indexer.building.plan import Plan
from attridex.indexer.building.ranges import RangeResults, write_range
from attridex.indexer.building.versions import commit
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.corpus.reading import rendered
from attridex.indexer.index.layout import shard_dir, version_dir
from attridex.indexer.progress import Advance, progress
from attridex.indexer.signing.signer import Signer

SAMPLE = 256
"""Instances that a pilot signs at most."""
SECONDS = 6.0
"""After this long no further group of instances is begun, and none is larger than what takes so long or is scored at once."""
GROUPS = 8
"""Least number of groups of like length that a sample is cut into."""


@dataclass
class Load:
    """Work: instances and tokens for gradients, sequences and tokens for neurons."""

    instances: int = 0
    tokens: int = 0
    probes: int = 0
    probe_tokens: int = 0

    def add(self, instance: RenderedInstance) -> None:
        """Count an instance: a language model's neurons are scored before each target token, those of choices for one choice."""
        self.instances += 1
        self.tokens += instance.tokens
        self.probes += len(instance.reads) or 1
        longest = instance.longest
        self.probe_tokens += sum(read + 1 for read in instance.reads) if instance.reads else longest


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
        timings: of each group.
        pass_bytes: memory of the largest pass, beside the model and the results.
        neurons: neurons kept, over all rows.
        empty: size of each of a shard's files for no instance.
        shard: size of each of a shard's files for `rows` instances.
        version: size of each of a version's files for `rows` instances.
    """

    rows: int
    timings: list[Timing]
    pass_bytes: int
    neurons: int
    empty: dict[str, int]
    shard: dict[str, int]
    version: dict[str, int]


class Sample(NamedTuple):
    """Instances of a corpus, longest first, and the load of all of it."""

    instances: list[RenderedInstance]
    load: Load


def sampled(plan: Plan, signer: Signer) -> Sample:
    """A uniform sample of the corpus (reservoir sampling with a fixed seed)."""
    chance, kept, total = random.Random(0), list[RenderedInstance](), Load()
    stream = rendered(plan.config.corpus, signer.renderer, labels_needed=plan.config.gradients.label == "gold")
    for number, (_, instance) in enumerate(stream):
        total.add(instance)
        if number < SAMPLE:
            kept.append(instance)
        elif (place := chance.randrange(number + 1)) < SAMPLE:
            kept[place] = instance
    return Sample(sorted(kept, key=lambda instance: -instance.tokens), total)


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
    """Sign a sample, the longest group first, until SECONDS have passed; then write what was signed.

    Args:
        plan: of the build.
        signer: signs the sample.
        sample: instances, longest first.
        show_progress: whether a bar or lines go to stderr.
    """
    results = RangeResults(signer, plan, len(sample))
    lengths, budget = [instance.tokens for instance in sample], plan.config.engine.batch_tokens
    order = groups(lengths, budget, cap_of(plan, signer, sample))
    whole = sample[: len(groups(lengths, budget, len(sample))[0])]
    with watched(signer.loaded.device) as peak, progress("Pilot", len(sample), "instances", enabled=show_progress) as advance:
        if len(whole) > len(order[0]):  # for the memory of a whole batch
            RangeResults(signer, plan, len(whole)).take_gradients(whole, range(len(whole)), lambda _count: None)
        signed = list(timed(results, sample, order, advance))
    with tempfile.TemporaryDirectory(prefix="attridex-pilot-") as directory:
        rows, sizes = written(Path(directory), results, plan, signer, sample)
    return Pilot(rows, signed, peak.bytes, sum(map(len, results.kept)), *sizes)


def cap_of(plan: Plan, signer: Signer, sample: Sequence[RenderedInstance]) -> int:
    """Instances that fit into SECONDS, or that are scored at once if those are more."""
    for _ in range(2):  # the first pass pays for what is made once
        began = time.perf_counter()
        RangeResults(signer, plan, 1).sign(sample[-1:], lambda _count: None)
        one = time.perf_counter() - began
    return max(1, int(SECONDS / one), signer.scored_at_once(sample[0].longest) if plan.config.neurons.enabled else 1)


def timed(
    results: RangeResults, sample: Sequence[RenderedInstance], order: Sequence[range], advance: Advance
) -> Iterator[Timing]:
    """Sign group after group.

    Args:
        results: where signatures are put.
        sample: instances.
        order: rows of each group, in the order that they are signed.
        advance: hears of instances that are signed.
    """
    began = time.perf_counter()
    for rows in order:
        instances = [sample[row] for row in rows]
        load = Load()
        for instance in instances:
            load.add(instance)
        start = time.perf_counter()
        results.take_gradients(instances, rows, lambda _count: None)
        middle = time.perf_counter()
        results.score_neurons(instances, rows, lambda _count: None)
        end = time.perf_counter()
        advance(len(rows))
        yield Timing(load, middle - start, end - middle if results.neurons else 0.0)
        if end - began > SECONDS:
            return


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
    one_shard = plan.config.index.model_copy(update={"shard_rows": len(instances)})
    survey = replace(plan.survey, instances=len(instances))
    small = replace(plan, survey=survey, config=plan.config.model_copy(update={"index": one_shard}))
    sidecar = write_range(results, small, index, 0, instances)
    manifest = commit(index, small, signer)
    places = (empty, shard_dir(index, small.shards[0]), version_dir(index, manifest.version))
    return sidecar.rows, [{path.name: path.stat().st_size for path in place.iterdir()} for place in places]
