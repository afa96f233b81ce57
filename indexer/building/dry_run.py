"""What a build would cost, before it begins: rows and tokens are counted, a pilot gives the rest."""

from pathlib import Path

from attridex.indexer.building.build import followed
from attridex.indexer.building.fit import sample_fit
from attridex.indexer.building.forecast import Forecast, forecast_memory, forecast_time, other_bytes, vector_bytes
from attridex.indexer.building.load import work_of
from attridex.indexer.building.pilot import run_pilot
from attridex.indexer.building.plan import check_bound, prepared
from attridex.indexer.building.ranges import whole_ranges
from attridex.indexer.config import Config
from attridex.indexer.progress import say_all
from attridex.indexer.sizes import resident


def dry_run(config: Config, index: Path, *, show_progress: bool = True) -> Forecast:
    """Forecast a build of `index`, where nothing is written.

    Raises:
        InputError: whatever `build.build` would refuse before it begins.
    """
    plan, signer, sampler, reading = prepared(config, index)
    if followed(plan, index) is None:
        check_bound(plan, index)
    say_all(plan.survey.remarks, enabled=show_progress)
    base = resident("VmRSS")
    pilot = run_pilot(plan, signer, sampler.longest_first, show_progress=show_progress)
    vectors = vector_bytes(plan, signer)
    return Forecast(
        instances=plan.survey.instances,
        tokens=plan.survey.tokens,
        truncated=plan.survey.truncated,
        gradient_dim=signer.gradient_dim,
        shards=len(plan.ranges),
        pilot=pilot.rows,
        vectors=vectors,
        disk=sum(vectors.values()) + other_bytes(plan, signer, pilot),
        memory=forecast_memory(plan, signer, pilot, base),
        seconds=forecast_time(pilot, work_of(signer, sampler.load), reading),
        there=sum(whole_ranges(index, plan).values()),
        fast_neurons=pilot.pace.fast * work_of(signer, sampler.load, fast=True).probe_tokens,
        fit=sample_fit(signer, sampler.kept, plan.tally, pilot.pace),
        left_out=len(plan.survey.unusable),
    )
