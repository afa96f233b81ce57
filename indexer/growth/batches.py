"""Later batches on the disk: what each is built from, which one was cut off, and where the next one begins."""

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

from attridex.indexer.building.plan import Batch, Plan
from attridex.indexer.config import Config, CorpusConfig
from attridex.indexer.corpus.survey import survey
from attridex.indexer.errors import InputError, brief
from attridex.indexer.files import JsonObject, replace_file
from attridex.indexer.index.directory import list_versions, read_manifest
from attridex.indexer.index.layout import BATCHES, COPY, PLAN, SHARDS, number_in, paths_in, start_of
from attridex.indexer.index.records import read_sealed, seal
from attridex.indexer.sections import SOURCES
from attridex.indexer.signing.signer import Signer

FIRST = 2
"""Number of the first later batch; the first build has its plan elsewhere, and here a copy."""


def batch_path(index: Path, number: int) -> Path:
    """Where a batch's plan lies."""
    return index / BATCHES / f"{number}.json"


def batch_numbers(index: Path) -> list[int]:
    """The later batches that are on the disk, in order."""
    numbers = (number_in(path) for path in paths_in(index, BATCHES) if path.suffix != COPY)
    return [number for number in numbers if number >= FIRST]


def read_batch(index: Path, number: int) -> JsonObject:
    """What a batch is built from.

    Raises:
        DamageError: it is not what was written.
    """
    return read_sealed(batch_path(index, number))


def batch_of(settings: JsonObject) -> Batch:
    """What a batch has beside the settings of every build."""
    return Batch(**{name: settings[name] for name in Batch._fields})


def number_of(index: Path, shard: str) -> int:
    """Number of the batch that a shard is of; 1 for the first build."""
    start = start_of(shard)
    return max([1, *(number for number in batch_numbers(index) if read_batch(index, number)["start"] <= start)])


def plan_path(index: Path, shard: str) -> Path:
    """The plan that a shard was signed from."""
    number = number_of(index, shard)
    return index / PLAN if number == 1 else batch_path(index, number)


def planned_again(index: Path, number: int, config: Config, signer: Signer) -> Plan:
    """The plan of a later batch, made again from its records.

    Args:
        index: the index directory.
        number: of the batch.
        config: of the index.
        signer: of its model.

    Raises:
        InputError: the records or the model are no longer those that the batch was signed from; what differs first is named.
    """
    settings = read_batch(index, number)
    batch = batch_of(settings)
    config = with_files(config, batch.files, skip_bad=batch.skip_bad)
    needed, columns = config.gradients.label == "gold", settings["columns"]
    found = survey(config.corpus, signer.renderer, labels_needed=needed, first=batch.first_record, columns=columns)
    plan = Plan(config, signer.identity(), signer.labels, found, batch=batch)
    changed = [key for key in sorted({*settings, *plan.settings}) if settings.get(key) != plan.settings.get(key)]
    if changed:
        was, is_now = brief(settings.get(changed[0])), brief(plan.settings.get(changed[0]))
        raise InputError(f"batch {number} was signed with {changed[0]} = {was}, now it is {is_now}")
    return plan


def with_files(config: Config, files: Sequence[Path | str], *, skip_bad: bool) -> Config:
    """A configuration whose corpus lies in other files, and whose records this process signs.

    Raises:
        InputError: there is no file.
    """
    if not files:
        raise InputError("no file is given; name those that hold the records")
    elsewhere = {name: field.default for name, field in CorpusConfig.model_fields.items() if name in SOURCES}
    own = {"files": [str(Path(name).resolve()) for name in files], "skip_bad": skip_bad}
    corpus = config.corpus.model_copy(update=elsewhere | own)
    return config.model_copy(update={"corpus": corpus, "engine": config.engine.here()})


def write_plan(path: Path, content: bytes) -> None:
    """Write a plan and a copy that mends it."""
    path.parent.mkdir(exist_ok=True)
    for each in (path.with_suffix(COPY), path):
        if not each.exists() or each.read_bytes() != content:
            replace_file(each, content)


def begin(index: Path, batch: Batch, settings: JsonObject) -> None:
    """Write the plan of a later batch; what another one that was cut off left behind is removed.

    Args:
        index: the index directory.
        batch: with its place.
        settings: of the plan.
    """
    write_plan(batch_path(index, 1), (index / PLAN).read_bytes())
    path, content = batch_path(index, batch.batch), seal(settings)
    if not path.exists() or path.read_bytes() != content:
        discard(index, batch.batch, batch.start)
    write_plan(path, content)


def discard(index: Path, number: int, start: int) -> None:
    """Remove batches from a number on that were cut off, and shards whose names are from a start on."""
    for later in (each for each in batch_numbers(index) if each >= number):
        batch_path(index, later).unlink()
        batch_path(index, later).with_suffix(COPY).unlink(missing_ok=True)
    for path in paths_in(index, SHARDS):
        if number_in(path) >= start:
            shutil.rmtree(path)


def end_of(index: Path) -> int:
    """Where the names of the next batch's shards begin: behind those of every version."""
    return max(read_manifest(index, number).corpus.instances for number in list_versions(index))


def place_of(index: Path, settings: JsonObject, listed: Collection[str]) -> Batch:
    """Number and start of a batch: those of the last one where that is the same and was cut off, else behind all others.

    Args:
        index: the index directory.
        settings: of the batch.
        listed: shards of the version that it comes to.
    """
    numbers, end = batch_numbers(index), end_of(index)
    last = read_batch(index, numbers[-1]) if numbers else {}
    same = last == settings | {name: last.get(name) for name in ("batch", "start")}
    if same and not any(start_of(name) == last["start"] for name in listed):
        return batch_of(last)
    done = [number for number in numbers if read_batch(index, number)["start"] < end]
    return batch_of(settings)._replace(batch=max([1, *done]) + 1, start=end)
