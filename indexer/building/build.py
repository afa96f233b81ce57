"""From a configuration to a served version: survey, plan, ranges, commit. Every step may be repeated."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from attridex.indexer.building.engines import build_ranges
from attridex.indexer.building.load import Sampler, work_of
from attridex.indexer.building.pace import measured_pace
from attridex.indexer.building.plan import CORPUS, Plan, bind, changed_settings, prepared
from attridex.indexer.building.versions import VersionWriter, commit, shard_entry
from attridex.indexer.config import Config, NeuronsConfig
from attridex.indexer.corpus.columns import RULES, ColumnRules
from attridex.indexer.corpus.reading import rendered
from attridex.indexer.corpus.spool import spooled
from attridex.indexer.errors import InputError
from attridex.indexer.index.directory import (
    index_format,
    read_current,
    read_deletes,
    read_manifest,
    read_sidecar,
    write_current,
    write_lock,
)
from attridex.indexer.index.layout import CURRENT, PLAN
from attridex.indexer.index.records import Manifest, read_sealed
from attridex.indexer.index.verify import check_version
from attridex.indexer.lifecycle.changes import Content, NamedContent, changes, stored_rows
from attridex.indexer.lifecycle.counted import Counted, stored_sums
from attridex.indexer.lifecycle.facts import corpus_columns, facts_of_version
from attridex.indexer.models.renderers import make_renderer
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
    config: Config,
    index: Path,
    *,
    show_progress: bool = True,
    check: Callable[[Signer], None] = lambda _signer: None,
    verified: bool = False,
) -> Built:
    """Build an index, or finish one that was begun with the same settings.

    Args:
        config: what it is built from.
        index: the index directory.
        show_progress: whether a bar or lines go to stderr.
        check: is given what signs the instances before any work, and may refuse it.
        verified: every file that is there was compared with what was written just now.

    Raises:
        InputError: the corpus, the model or the settings are not sound; nothing is written then.
        BusyError: another process is building it.
    """
    with spooled(index) as spool:
        plan, signer, sampler, _ = prepared(config, index, see=spool.add)
        check(signer)
        with write_lock(index):
            other = followed(plan, index)
            if not other:
                bind(plan, index)
            if other := other or changed_since(index, plan):
                return Built(with_structures(index, other, plan.config, verified=verified), 0)
            say_all(plan.survey.remarks, enabled=show_progress)
            told = show_progress and config.neurons.enabled
            signed = build_ranges(
                plan,
                signer,
                index,
                show_progress=show_progress,
                begin=lambda: tell_neurons(signer, sampler) if told else None,
                verified=verified,
                spool=spool,
            )
            before = served_of(index, plan)
            return Built(
                with_structures(index, before, plan.config, verified=verified) if before else commit(index, plan, signer), signed
            )


def changed_since(index: Path, plan: Plan) -> Manifest | None:
    """The served version, where it is no longer made of the plan's own shards: it was compacted or appended to since."""
    if not (index / CURRENT).exists() or index_format(index) == 2:
        return None
    manifest = read_manifest(index, read_current(index))
    return manifest if [entry.name for entry in manifest.shards] != plan.shards else None


def served_of(index: Path, plan: Plan) -> Manifest | None:
    """The served version, where it is made of the plan's own shards, which are all there; a curvature may be added to it."""
    if not (index / CURRENT).exists():
        return None
    manifest = read_manifest(index, read_current(index))
    entries = [shard_entry(index, name, read_sidecar(index, name), manifest.format) for name in plan.shards]
    return manifest if manifest.shards == entries else None


def with_structures(index: Path, manifest: Manifest, config: Config, *, verified: bool) -> Manifest:
    """A version, or one of the same shards with the structures for approximate search that a configuration asks for.

    Everything else stays what it was and of the rows that it was of: curvatures that were added, and what was refreshed, too.

    Args:
        index: the index directory, held for writing.
        manifest: of the served version.
        config: what is asked for.
        verified: see `build`.

    Raises:
        DamageError: a file is not what was written.
    """
    wanted = sorted(config.index.approximate)
    if wanted == sorted(manifest.config.index.approximate):
        return manifest
    if not verified:
        check_version(index, manifest)
    names = [entry.name for entry in manifest.shards]
    facts = facts_of_version(manifest, corpus_columns(manifest), [read_sidecar(index, name) for name in names])
    structures = facts.config.index.model_copy(update={"approximate": wanted})
    facts = replace(facts, config=facts.config.model_copy(update={"index": structures}))
    counted = Counted.kept(index, manifest, read_deletes(index))._replace(factors=stored_sums(index, manifest))
    written = VersionWriter(index, facts, names, counted=counted).write(manifest)
    write_current(index, written.version)
    return written


def followed(plan: Plan, index: Path) -> Manifest | None:
    """The served version, where it holds what a changed corpus holds now, in whichever order; None where the corpus is unchanged.

    Raises:
        InputError: the corpus has other rows than the index; they are counted.
    """
    if not (index / CURRENT).exists():
        return None
    different = set(changed_settings(read_sealed(index / PLAN), plan))
    if "corpus" not in different or not different <= CORPUS:
        return None
    manifest = read_manifest(index, read_current(index))
    kinds = corpus_columns(manifest)
    own, stored = list(own_rows(plan, kinds)), list(stored_rows(index, manifest, list(kinds)))
    found = changes(own, stored, positions=not plan.config.corpus.id)
    if any(found):
        raise InputError(f"{index}: the corpus has changed since the index was built: {found.words}; or choose another --out")
    return manifest


def own_rows(plan: Plan, kinds: Mapping[str, str]) -> Iterator[NamedContent]:
    """The rows of a corpus, by id, with columns as an index of these types would store them."""
    rule, needed = RULES[plan.config.corpus.rendering], plan.config.gradients.label == "gold"
    for _, instance in rendered(plan.config.corpus, make_renderer(plan.config), labels_needed=needed):
        values = (stored_value(rule, instance.fields[name], kind) for name, kind in kinds.items())
        yield instance.id, Content(instance.key, tuple(values))


def stored_value(rule: ColumnRules, value: Any, kind: str) -> Any:
    """A value as a column would store it; of one that does not fit, itself."""
    try:
        return rule.stored(value, kind)
    except (ValueError, TypeError, ArithmeticError):
        return value


def tell_neurons(signer: Signer, sampler: Sampler) -> None:
    """Say before the work what neurons will cost."""
    say(neuron_forecast(signer, sampler))


def neuron_forecast(signer: Signer, sampler: Sampler) -> str:
    """How long scoring the corpus's neurons will take, and how long by activation times gradient, in a line."""
    pace, load = measured_pace(signer, sampler.kept, TRIAL), sampler.load
    fast = about(pace.fast * work_of(signer, load, fast=True).probe_tokens)
    if signer.scorer.rule == GRADIENT:
        idle = "" if signer.config.neurons.steps == NeuronsConfig().steps else ", which has no steps: neurons.steps is not read"
        return f'neurons: about {fast} by rule = "gradient"{idle}'
    whole, points = about(pace.neurons * work_of(signer, load).probe_tokens), len(signer.scorer.rule.points)
    return (
        f'neurons: about {whole} by rule = "{signer.config.neurons.rule}" with {points} points; '
        f'rule = "gradient" would take about {fast}, neurons.enabled = false none'
    )
