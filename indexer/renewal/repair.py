"""Repair: an index whose files are not what was written is made whole, or what cannot be mended is named."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from attridex.indexer.building.build import build
from attridex.indexer.building.versions import VersionWriter
from attridex.indexer.config import Config
from attridex.indexer.errors import DamageError, InputError
from attridex.indexer.growth.batches import batch_numbers
from attridex.indexer.growth.factors import factor_sums, whole
from attridex.indexer.growth.models import signer_of
from attridex.indexer.index.arrays import write_array
from attridex.indexer.index.deletes import Log
from attridex.indexer.index.directory import (
    index_format,
    is_cut_off,
    next_version,
    parse_current,
    read_sidecar,
    text_of,
    write_current,
    write_lock,
)
from attridex.indexer.index.layout import (
    ADDED,
    BATCHES,
    CURRENT,
    CURRENT_COPY,
    DELETES,
    DELETES_COPY,
    FACTORS,
    PLAN,
    TOMBSTONES,
    VERSIONS,
    version_dir,
)
from attridex.indexer.index.records import OF_CURVATURE, Manifest
from attridex.indexer.index.verify import Checked, check_version, verify
from attridex.indexer.lifecycle.counted import Counted, stored_sums
from attridex.indexer.lifecycle.facts import corpus_columns, facts_of_version
from attridex.indexer.lifecycle.moved_model import with_model
from attridex.indexer.lifecycle.recovery import named, read_bytes, recovered_current, recovered_log
from attridex.indexer.lifecycle.versions import drop_orphans
from attridex.indexer.renewal.mending import Told, bare, damaged_shards, lost_versions, mend_manifests, mend_plans
from attridex.indexer.renewal.resigning import Means, admit_all, sign_again
from attridex.indexer.signing.signer import Signer


def repair(
    index: Path,
    config: Config | None = None,
    model: str | None = None,
    *,
    admit: Callable[[Config], None] = admit_all,
    show_progress: bool = False,
) -> Told:
    """Make a damaged index whole: from what is whole, or by signing again; what is deleted stays deleted.

    Args:
        index: the index directory.
        config: what it was built from, where its corpus lies elsewhere now, or no manifest is left.
        model: where its model lies now.
        admit: is given each configuration before its model is loaded or its records are read, and may refuse it.
        show_progress: whether a bar or lines go to stderr.

    Returns:
        What was mended, a line each; none where the index was whole.

    Raises:
        InputError: there is no index.
        DamageError: something cannot be mended; the message says what and why. What could be mended is.
        BusyError: another process writes.
    """
    if not (index / PLAN).exists() and not (index / CURRENT).exists() and not (index / VERSIONS).is_dir():
        raise InputError(f"{index}: no attridex index there (no {CURRENT} file)")
    told, means = Told(), Means(config, model, admit)
    with write_lock(index):
        if not problems_of(index):
            return told
        manifests = mend_manifests(index, told)
        if manifests:
            mend(index, manifests, means, told, show_progress=show_progress)
    if not manifests:
        built_again(index, with_model(config, model) if config else None, told, show_progress=show_progress)
    left = problems_of(index)
    if left:
        raise DamageError(f"{index}: {len(left)} files cannot be mended; the first: {bare(left[0].problem)}")
    return told


def problems_of(index: Path) -> list[Checked]:
    """The files of an index that are not what was written."""
    return [found for found in verify(index) if found.problem]


def built_again(index: Path, config: Config | None, told: Told, *, show_progress: bool) -> None:
    """Build an index of which no manifest is left from its configuration, and what is whole of its shards.

    Args:
        index: the index directory.
        config: what it was built from.
        told: hears what was done.
        show_progress: whether a bar or lines go to stderr.

    Raises:
        DamageError: the configuration is not given, or what is deleted is not known.
    """
    if config is None:
        raise DamageError(f"{index}: no manifest is left, which says how it was built; give the configuration it was built from")
    recovered_log(index)  # refuses where what is deleted is not known
    if numbers := batch_numbers(index):
        raise DamageError(
            f"{index}: no manifest is left, and {len(numbers)} batches came in later; build it in another directory, then append "
            f"and update again as {index / BATCHES} says"
        )
    for path in lost_versions(index, {}):
        if (path / ADDED).exists():
            told.append(
                f"{path / ADDED}: lost (no manifest says what was written); add the columns again by `attridex add-columns`"
            )
        shutil.rmtree(path)
    if parse_current(text_of(index / CURRENT)):
        (index / CURRENT).replace(index / CURRENT_COPY)  # it names no version, but the log that counts
    built = build(config, index, show_progress=show_progress)
    told.signed += built.signed
    told.append(f"{index}: built again as version {built.manifest.version} ({built.signed} instances signed)")


def mend(index: Path, manifests: Mapping[str, Manifest], means: Means, told: Told, *, show_progress: bool) -> None:
    """Mend an index that is held for writing and of which a manifest is left.

    Args:
        index: the index directory.
        manifests: of its versions by number.
        means: what is signed again is signed by them.
        told: hears what was mended.
        show_progress: see `repair`.
    """
    log = recovered_log(index) if index_format(index) > 2 else None
    manifests = without_cut_off(index, manifests, log, told)
    served = served_number(index, manifests)
    mend_plans(index, manifests, told)
    damaged = damaged_shards(index, manifests, told)
    if damaged:
        sign_again(index, means, damaged, told, show_progress=show_progress)
    written = mend_versions(index, manifests, log, means, told)
    heads = (CURRENT, CURRENT_COPY, DELETES, DELETES_COPY)
    before = {name: read_bytes(index / name) for name in heads}
    clear_places(index, heads, everything=log is None)
    write_current(index, written.get(served, served), log)
    told += [f"{index / name}: written again" for name in heads if before[name] != read_bytes(index / name)]
    there = {**manifests, **mend_manifests(index, told)}
    lost = lost_versions(index, there)
    for path in [version_dir(index, number) for number in written] + lost:
        shutil.rmtree(path, ignore_errors=True)
    told += [f"{path}: removed (no manifest of this older version is whole)" for path in lost]
    told += [f"{path}: removed (in no version)" for path in drop_orphans(index, whole=False)]


def without_cut_off(index: Path, manifests: Mapping[str, Manifest], log: Log | None, told: Told) -> dict[str, Manifest]:
    """The versions that counted; those that updates were writing when they were cut off leave the disk, see `is_cut_off`.

    Args:
        index: the index directory.
        manifests: of the versions by number.
        log: of deletes; None in format 2.
        told: hears what was removed.

    Raises:
        DamageError: no other is left, and nothing is removed.
    """
    cut = [number for number in manifests if is_cut_off(index, number, log.head if log else None)]
    if len(cut) == len(manifests):
        raise DamageError(
            f"{index / VERSIONS}: cannot be mended (what is whole of it, {', '.join(cut)}, never counted: the update that wrote "
            "it was cut off); restore the index from a snapshot"
        )
    for path in (version_dir(index, number) for number in cut):
        shutil.rmtree(path)
        told.append(f"{path}: removed (it never counted, the update that wrote it was cut off)")
    return {number: manifest for number, manifest in manifests.items() if number not in cut}


def served_number(index: Path, manifests: Mapping[str, Manifest]) -> str:
    """The version that CURRENT or its copy names; where both are lost the last one.

    Args:
        index: the index directory.
        manifests: of the versions that counted, by number.

    Raises:
        DamageError: no manifest of the version that is named is whole.
    """
    current = recovered_current(index) or next(iter(named(index)), None)
    served = current.version if current else list(manifests)[-1]
    if served not in manifests:
        raise DamageError(
            f"{version_dir(index, served)}: the served version cannot be mended (no manifest of it is whole); versions "
            f"{', '.join(manifests)} are; remove {CURRENT} and {CURRENT_COPY}, and `attridex repair` serves the last of them"
        )
    return served


def clear_places(index: Path, names: Sequence[str], *, everything: bool) -> None:
    """Remove directories that stand where files belong; in format 2 `everything`, since nothing there is kept."""
    for name in names:
        if (index / name).is_dir():
            shutil.rmtree(index / name)
        elif everything:
            (index / name).unlink(missing_ok=True)


def mend_versions(index: Path, manifests: Mapping[str, Manifest], log: Log | None, means: Means, told: Told) -> dict[str, str]:
    """Write each damaged version again under a new number; every statistic is of the rows that it was of.

    Args:
        index: the index directory.
        manifests: of the versions by number.
        log: of deletes; None in format 2.
        means: what sums over instances are taken by, where they need the model.
        told: hears what was written.

    Returns:
        The new numbers by those that they replace.
    """
    written = {}
    for number, manifest in manifests.items():
        try:
            check_version(index, manifest)
            continue
        except (DamageError, InputError, OSError) as error:
            problem = error
        names = [entry.name for entry in manifest.shards]
        check_tombstones(index, manifest, problem)
        facts = facts_of_version(manifest, corpus_columns(manifest), [read_sidecar(index, name) for name in names])
        written[number] = next_version(index)
        counted = Counted.kept(index, manifest, log)
        if log and FACTORS in manifest.files:
            there, alive = whole(version_dir(index, number) / FACTORS, manifest), counted.alive[OF_CURVATURE]
            again = partial(admitted_signer, index, manifest, means)
            sums = stored_sums(index, manifest) if there else factor_sums(index, manifest, log, alive, again)
            counted = counted._replace(factors=sums)
        VersionWriter(index, facts, names, written[number], counted).write(manifest)
        told.append(f"version {number}: written again from its shards as {written[number]} ({bare(problem)})")
    return written


def admitted_signer(index: Path, manifest: Manifest, means: Means) -> Signer:
    """What signs instances of a version, if its configuration is admitted; see `signer_of` for what it raises."""
    means.admit(with_model(manifest.config, means.model))
    return signer_of(index, manifest, means.model)


def check_tombstones(index: Path, manifest: Manifest, problem: Exception) -> None:
    """Write the tombstones of format 2 again where there are none; refuse where nothing else says which there are."""
    path = version_dir(index, manifest.version) / TOMBSTONES
    if manifest.format == 2 and manifest.deleted == 0:
        path.unlink(missing_ok=True)
        write_array(path, np.zeros(0, np.int64))
    elif manifest.format == 2 and str(path) in str(problem):
        raise DamageError(
            f"{path}: cannot be mended (nothing else says which {manifest.deleted} instances are deleted); {bare(problem)}"
        )
