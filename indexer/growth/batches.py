"""Later batches on the disk: what each is built from, which one was cut off, and where the next one begins."""

import hashlib
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from attridex.indexer.building.plan import Batch, Plan
from attridex.indexer.files import JsonObject, replace_file
from attridex.indexer.index.deletes import Head
from attridex.indexer.index.directory import list_versions, read_manifest
from attridex.indexer.index.layout import BATCHES, COPY, PLAN, SHARDS, version_dir
from attridex.indexer.index.records import Manifest, read_sealed, seal

FIRST = 2
"""Number of the first later batch; the first build has its plan elsewhere, and here a copy."""


def batch_path(index: Path, number: int) -> Path:
    """Where a batch's plan lies."""
    return index / BATCHES / f"{number}.json"


def batch_numbers(index: Path) -> list[int]:
    """The later batches that are on the disk, in order."""
    names = (path.stem for path in (index / BATCHES).glob("*.json"))
    return sorted(number for number in (int(name) for name in names if name.isdigit()) if number >= FIRST)


def read_batch(index: Path, number: int) -> JsonObject:
    """What a batch is built from.

    Raises:
        DamageError: it is not what was written.
    """
    return read_sealed(batch_path(index, number))


def batch_of(settings: JsonObject) -> Batch:
    """What a batch has beside the settings of every build."""
    return Batch(**{name: settings[name] for name in Batch._fields})


def plan_hash(path: Path) -> str:
    """By what shards name the plan that they were built from."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_plan(path: Path, content: bytes) -> None:
    """Write a plan and a copy that mends it."""
    path.parent.mkdir(exist_ok=True)
    for each in (path.with_suffix(COPY), path):
        if not each.exists() or each.read_bytes() != content:
            replace_file(each, content)


def begin(index: Path, plan: Plan) -> None:
    """Write the plan of a later batch; what another one that was cut off left behind is removed."""
    number = plan.batch.batch if plan.batch else FIRST
    write_plan(batch_path(index, 1), (index / PLAN).read_bytes())
    path, content = batch_path(index, number), seal(plan.settings)
    if not path.exists() or path.read_bytes() != content:
        discard(index, number, plan.batch.start if plan.batch else 0)
    write_plan(path, content)


def discard(index: Path, number: int, start: int) -> None:
    """Remove batches from a number on that were cut off, and shards whose names are from a start on."""
    for later in (each for each in batch_numbers(index) if each >= number):
        batch_path(index, later).unlink()
        batch_path(index, later).with_suffix(COPY).unlink(missing_ok=True)
    for path in (index / SHARDS).glob("[0-9]*"):
        if int(path.name[:10]) >= start:
            shutil.rmtree(path)


def end_of(manifests: Iterable[Manifest]) -> int:
    """Where the names of the next batch's shards begin."""
    return max(manifest.corpus.instances for manifest in manifests)


def whole_versions(index: Path, head: Head) -> list[Manifest]:
    """Manifests of the versions whose writing was not cut off; those are removed for whose batches the log is too short."""
    found = []
    for number in list_versions(index):
        manifest = read_manifest(index, number)
        if max((entry.since for entry in manifest.shards), default=0) > head.seq:
            shutil.rmtree(version_dir(index, number))
        else:
            found.append(manifest)
    return found


def place_of(index: Path, settings: JsonObject, versions: Iterable[Manifest], listed: Collection[str]) -> Batch:
    """Number and start of a batch: those of the last one where that is the same and was cut off, else behind all others.

    Args:
        index: the index directory.
        settings: of the batch.
        versions: that are whole.
        listed: shards of the version that it comes to.
    """
    numbers, end = batch_numbers(index), end_of(versions)
    last = read_batch(index, numbers[-1]) if numbers else {}
    same = last == settings | {name: last.get(name) for name in ("batch", "start")}
    if same and not any(int(name[:10]) == last["start"] for name in listed):
        return batch_of(last)
    done = [number for number in numbers if read_batch(index, number)["start"] < end]
    return batch_of(settings)._replace(batch=max([1, *done]) + 1, start=end)
