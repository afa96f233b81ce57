"""Signing the instances of damaged shards again, each from the plan of the build or batch that it was signed from."""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from attridex.indexer.building.plan import Plan, bind, checked_signer, prepared
from attridex.indexer.building.ranges import build_range
from attridex.indexer.config import Config
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.corpus.reading import rendered
from attridex.indexer.errors import AttridexError, DamageError
from attridex.indexer.files import publish
from attridex.indexer.growth.batches import batch_of, number_of, planned_again, read_batch, with_files
from attridex.indexer.index.layout import FORMAT, PLAN, SIDECAR, shard_dir, shard_name
from attridex.indexer.index.records import Manifest, read_sealed, write_record
from attridex.indexer.lifecycle.moved_model import with_model
from attridex.indexer.lifecycle.recovery import recovered_log
from attridex.indexer.progress import Advance, progress
from attridex.indexer.renewal.compaction import compacted_shard
from attridex.indexer.renewal.mending import Told, bare, sidecar_of
from attridex.indexer.renewal.merging import merge_files
from attridex.indexer.signing.signer import Signer


def admit_all(_config: Config) -> None:
    """Refuse no configuration."""


class Means(NamedTuple):
    """What instances are signed again by.

    Attributes:
        config: what the index was built from, where its corpus lies elsewhere now than the manifests say.
        model: where its model lies now, if not where it was.
        admit: is given each configuration before its model is loaded or its records are read, and may refuse it.
    """

    config: Config | None = None
    model: str | None = None
    admit: Callable[[Config], None] = admit_all

    def of(self, manifest: Manifest) -> Config:
        """The configuration of a version, admitted."""
        config = with_model(self.config or manifest.config, self.model)
        self.admit(config)
        return config


class Planned(NamedTuple):
    """A plan, and who signs by it."""

    plan: Plan
    signer: Signer


def sign_again(index: Path, means: Means, damaged: Mapping[str, Manifest], told: Told, *, show_progress: bool) -> None:
    """Sign the instances of damaged shards again, from the plans that they, or the parts of merged ones, were built from.

    Args:
        index: the index directory.
        means: what they are signed by.
        damaged: a version that has it by each shard's name.
        told: hears what was done.
        show_progress: whether a bar goes to stderr.

    Raises:
        DamageError: model or records are not admitted, not there, or no longer what the shards were signed from.
    """
    manifest = list(damaged.values())[-1]
    parts = {name: names for name, each in damaged.items() if (names := part_names(each, name))}
    batches: dict[int, list[str]] = {}
    for shard in dict.fromkeys(part for name in damaged for part in parts.get(name, [name])):
        batches.setdefault(number_of(index, shard), []).append(shard)
    signer: Signer | None = None
    for number, own in batches.items():
        try:
            config = means.of(manifest)
            planned = first_plan(index, config) if number == 1 else later_plan(index, number, config, means, signer)
        except AttridexError as error:
            raise DamageError(f"{index}: shard {own[0]} cannot be signed again: {bare(error)}") from None
        signer = planned.signer
        sign_batch(index, planned, own, manifest, told, show_progress=show_progress)
    for name, names in parts.items():
        merge_again(index, name, names, damaged[name])


def part_names(manifest: Manifest, shard: str) -> list[str]:
    """The shards that one of a version was merged of; none where it was not."""
    return [part.name for entry in manifest.shards if entry.name == shard for part in entry.parts]


def merge_again(index: Path, name: str, parts: Sequence[str], manifest: Manifest) -> None:
    """Write a merged shard again, from its parts.

    Args:
        index: the index directory.
        name: of the shard.
        parts: names of its parts, which are there.
        manifest: of a version that has it.
    """
    with publish(shard_dir(index, name)) as directory:
        merge_files(index, parts, directory)
        write_record(directory / SIDECAR, sidecar_of(index, name, FORMAT, manifest, directory))


def first_plan(index: Path, config: Config) -> Planned:
    """The plan of the first build."""
    plan, signer, _, _ = prepared(as_signed(config, read_sealed(index / PLAN)), index)
    bind(plan, index)
    return Planned(plan, signer)


def later_plan(index: Path, number: int, config: Config, means: Means, signer: Signer | None) -> Planned:
    """The plan of a later batch.

    Args:
        index: the index directory.
        number: of the batch.
        config: of the index.
        means: admits the batch's records.
        signer: of the same model, if it is loaded.
    """
    settings = read_batch(index, number)
    own, batch = as_signed(config, settings), batch_of(settings)
    means.admit(with_files(own, batch.files, skip_bad=batch.skip_bad))
    signer = signer or checked_signer(own)
    return Planned(planned_again(index, number, own, signer), signer)


def as_signed(config: Config, settings: Mapping[str, object]) -> Config:
    """A configuration with the curvatures that a plan was signed for; others may have been added to the index since."""
    known = {"curvature": settings["gradients.curvature"]}
    return config.model_copy(update={"gradients": config.gradients.model_copy(update=known)})


def sign_batch(
    index: Path, planned: Planned, names: Sequence[str], manifest: Manifest, told: Told, *, show_progress: bool
) -> None:
    """Sign the instances of a batch's shards again.

    Args:
        index: the index directory.
        planned: the batch.
        names: of the shards.
        manifest: of a version that has them.
        told: hears what was done.
        show_progress: whether a bar goes to stderr.

    Raises:
        DamageError: a shard is of no range of the plan.
    """
    plan, signer = planned
    ranges = {shard_name(*found): found for found in plan.ranges}
    unknown = [name for name in names if name.partition(".")[0] not in ranges]
    if unknown:
        raise DamageError(f"{index}: shard {unknown[0]} cannot be signed again: it is of no range of its plan")
    rows = sum(ranges[name.partition(".")[0]].stop - ranges[name.partition(".")[0]].start for name in names)
    needed = plan.config.gradients.label == "gold"
    stream = rendered(plan.config.corpus, signer.renderer, labels_needed=needed, first=plan.first_record)
    with progress("Signing again", rows, "instances", enabled=show_progress) as advance:
        for start, stop in plan.ranges:
            instances = [instance for _, instance in islice(stream, stop - start)]
            for name in names:
                if name.partition(".")[0] == shard_name(start, stop):
                    sign_shard(planned, index, name, manifest, start, instances, advance)
                    told.signed += len(instances)
                    told.append(f"shard {name}: {len(instances)} instances signed again")


def sign_shard(
    planned: Planned,
    index: Path,
    name: str,
    manifest: Manifest,
    start: int,
    instances: Sequence[RenderedInstance],
    advance: Advance,
) -> None:
    """Sign the instances of one shard again, and leave out what compactions removed of it.

    Args:
        planned: the plan that it is of.
        index: the index directory.
        name: of the shard.
        manifest: of a version that has it.
        start: where its name begins.
        instances: of its range.
        advance: hears of instances that are signed.
    """
    part, *compactions = name.split(".")
    build_range(planned.signer, planned.plan, index, start, instances, advance)
    for seq in map(int, compactions):
        part = compacted_shard(index, part, recovered_log(index).until(seq), manifest)
