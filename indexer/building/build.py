"""From a configuration to a served version: survey, plan, ranges, commit. Every step may be repeated."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from attridex.indexer.building.changes import followed
from attridex.indexer.building.engines import build_ranges
from attridex.indexer.building.load import Sampler, work_of
from attridex.indexer.building.pace import measured_pace
from attridex.indexer.building.plan import Plan, bind, prepared
from attridex.indexer.building.versions import commit
from attridex.indexer.config import Config
from attridex.indexer.index.directory import index_format, read_current, read_manifest, write_lock
from attridex.indexer.index.layout import CURRENT
from attridex.indexer.index.records import Manifest
from attridex.indexer.neurons.quadrature import GRADIENT
from attridex.indexer.progress import about, say, say_all
from attridex.indexer.signing.signer import Signer

TRIAL = 2.0
"""Seconds of a trial that tells how long neurons will take, about."""


@dataclass(frozen=True)
class Built:
    """What a build did.

    Attributes:
        manifest: of the version that is now current.
        signed: instances signed in this run; the others were there.
    """

    manifest: Manifest
    signed: int


def build(
    config: Config, index: Path, *, show_progress: bool = True, check: Callable[[Signer], None] = lambda _signer: None
) -> Built:
    """Build an index, or finish one that was begun with the same settings.

    Args:
        config: what it is built from.
        index: the index directory.
        show_progress: whether a bar or lines go to stderr.
        check: is given what signs the instances before any work, and may refuse it.

    Raises:
        InputError: the corpus, the model or the settings are not sound; nothing is written then.
        BusyError: another process is building it.
    """
    plan, signer, sampler, _ = prepared(config, index)
    check(signer)
    with write_lock(index):
        if other := followed(plan, index):
            return Built(other, 0)
        bind(plan, index)
        if other := changed_since(index, plan):
            return Built(other, 0)
        say_all(plan.survey.remarks, enabled=show_progress)
        told = show_progress and config.neurons.enabled
        signed = build_ranges(
            plan, signer, index, show_progress=show_progress, begin=lambda: tell_neurons(signer, sampler) if told else None
        )
        return Built(commit(index, plan, signer), signed)


def changed_since(index: Path, plan: Plan) -> Manifest | None:
    """The served version, where it is no longer made of the plan's own shards: it was compacted or appended to since."""
    if not (index / CURRENT).exists() or index_format(index) == 2:
        return None
    manifest = read_manifest(index, read_current(index))
    return manifest if [entry.name for entry in manifest.shards] != plan.shards else None


def tell_neurons(signer: Signer, sampler: Sampler) -> None:
    """Say before the work what neurons will cost."""
    say(neuron_forecast(signer, sampler))


def neuron_forecast(signer: Signer, sampler: Sampler) -> str:
    """How long scoring the corpus's neurons will take, and how long by activation times gradient, in a line."""
    pace, load = measured_pace(signer, sampler.kept, TRIAL), sampler.load
    fast = about(pace.fast * work_of(signer, load, fast=True).probe_tokens)
    if signer.rule == GRADIENT:
        return f'neurons: about {fast} by rule = "gradient"'
    whole, points = about(pace.neurons * work_of(signer, load).probe_tokens), len(signer.rule.points)
    return (
        f'neurons: about {whole} by rule = "{signer.config.neurons.rule}" with {points} points; '
        f'rule = "gradient" would take about {fast}, neurons.enabled = false none'
    )
