"""What a build would cost, before it begins: rows and tokens are counted, a pilot gives the rest."""

from dataclasses import dataclass
from pathlib import Path

from attridex.indexer.building.build import followed
from attridex.indexer.building.fit import sample_fit
from attridex.indexer.building.forecast import Forecast, forecast_memory, forecast_time, other_bytes, vector_bytes
from attridex.indexer.building.load import work_of
from attridex.indexer.building.pilot import Pilot, run_pilot
from attridex.indexer.building.plan import Prepared, check_bound, prepared
from attridex.indexer.building.ranges import whole_ranges
from attridex.indexer.config import Config
from attridex.indexer.held.memory import resident
from attridex.indexer.progress import say_all


@dataclass(frozen=True)
class Tried:
    """A build that may begin, tried on a sample.

    Attributes:
        build: with its plan and its signer.
        pilot: what the sample took.
        base: bytes of the process once the model was loaded.
    """

    build: Prepared
    pilot: Pilot
    base: int

    def seconds(self, instances: int) -> dict[str, float]:
        """Time of a build of as much of a like corpus; see `Forecast.seconds`."""
        factor = instances / self.build.plan.survey.instances
        load = work_of(self.build.signer, self.build.sampler.load.times(factor))
        return forecast_time(self.pilot, load, self.build.reading * factor)


def tried(config: Config, index: Path, *, show_progress: bool = True) -> Tried:
    """Try a build of `index`, where nothing is written.

    Raises:
        InputError: whatever `build.build` would refuse before it begins.
    """
    build = prepared(config, index)
    if followed(build.plan, index) is None:
        check_bound(build.plan, index)
    say_all(build.plan.survey.remarks, enabled=show_progress)
    base = resident("VmRSS")
    return Tried(build, run_pilot(build.plan, build.signer, build.sampler.longest_first, show_progress=show_progress), base)


def dry_run(config: Config, index: Path, *, show_progress: bool = True) -> Forecast:
    """Forecast a build of `index`, where nothing is written; raises as `tried`."""
    found = tried(config, index, show_progress=show_progress)
    (plan, signer, sampler, _), pilot = found.build, found.pilot
    vectors = vector_bytes(plan, signer)
    return Forecast(
        instances=plan.survey.instances,
        tokens=plan.survey.tokens,
        truncated=plan.survey.truncated,
        gradient_dim=signer.gradient_dim,
        shards=plan.shard_count,
        pilot=pilot.rows,
        vectors=vectors,
        disk=sum(vectors.values()) + other_bytes(plan, signer, pilot),
        memory=forecast_memory(plan, signer, pilot, found.base),
        seconds=found.seconds(plan.survey.instances),
        there=sum(whole_ranges(index, plan).values()),
        fast_neurons=pilot.pace.fast * work_of(signer, sampler.load, fast=True).probe_tokens,
        fit=sample_fit(signer, sampler.kept, plan.tally, pilot.pace),
        left_out=len(plan.survey.unusable),
        unreplayed=signer.unreplayed(sampler.kept) if pilot.timings else "",
    )
