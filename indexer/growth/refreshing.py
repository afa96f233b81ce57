"""Refreshing what was taken of other rows than those that are live now, and adding curvatures."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from attridex.indexer.building.versions import VersionWriter
from attridex.indexer.config import Config, describe
from attridex.indexer.curvature.matrices import check_size
from attridex.indexer.errors import InputError
from attridex.indexer.growth.factors import factor_sums
from attridex.indexer.growth.models import signer_of
from attridex.indexer.index.deletes import Log
from attridex.indexer.index.directory import read_manifest, read_sidecar, write_current, writing
from attridex.indexer.index.records import OF_CURVATURE, Manifest
from attridex.indexer.index.verify import check_version
from attridex.indexer.lifecycle.counted import Counted
from attridex.indexer.lifecycle.deleting import counted_log
from attridex.indexer.lifecycle.facts import corpus_columns, facts_of_version
from attridex.indexer.lifecycle.staleness import none_live, stale_now
from attridex.indexer.sections import FACTORED, GradientsConfig

ADDABLE = ("fisher", "kfac", "ekfac")
"""Curvatures that may be added to an index."""


class Refreshed(NamedTuple):
    """What a refresh did: the version that is current, and what was stale."""

    version: str
    refreshed: tuple[str, ...]


def refresh(index: Path, model: str | None = None) -> Refreshed:
    """Take everything that needs all rows of the live ones anew, as a version that becomes current.

    Nothing is signed; for K-FAC the model passes over the rows that were hidden or brought back since.

    Args:
        index: the index directory.
        model: where its model lies now, if not where it was.

    Raises:
        InputError: there is no index, it is of format 2, or a model that is needed is not there.
        DamageError: a file of the index is not what was written.
        BusyError: another process writes.
    """
    with writing(index) as current:
        manifest, log = read_manifest(index, current.version), counted_log(index)
        stale = stale_now(index, manifest)
        if not stale:
            return Refreshed(current.version, ())
        return Refreshed(taken_anew(index, manifest, log, manifest.config, model), stale)


def add_curvature(index: Path, kinds: Sequence[str], model: str | None = None) -> Refreshed:
    """Add curvatures to an index, and refresh it; K-FAC passes over the instances with the model, the Fisher matrix needs none.

    Args:
        index: the index directory.
        kinds: of `ADDABLE`.
        model: where its model lies now, if not where it was.

    Raises:
        InputError: a curvature is there already, is unknown, does not fit the gradients, or needs a model that is not there.
        DamageError: a file of the index is not what was written.
        BusyError: another process writes.
    """
    with writing(index) as current:
        manifest, log = read_manifest(index, current.version), counted_log(index)
        stale = stale_now(index, manifest)
        config = with_curvatures(index, manifest, kinds)
        return Refreshed(taken_anew(index, manifest, log, config, model), stale)


def with_curvatures(index: Path, manifest: Manifest, kinds: Sequence[str]) -> Config:
    """The configuration with more curvatures; see `add_curvature` for what it raises."""
    for kind in kinds:
        if kind not in ADDABLE:
            raise InputError(f"'{kind}' cannot be added; {', '.join(ADDABLE)} can")
        if kind in manifest.curvatures:
            raise InputError(f"{index}: has '{kind}' already; `attridex refresh` takes it anew where it is stale")
    check_size(kinds, manifest.blocks)
    known = manifest.config.gradients.model_dump(exclude_unset=True)
    try:
        gradients = GradientsConfig.model_validate({**known, "curvature": list(dict.fromkeys([*known["curvature"], *kinds]))})
    except ValidationError as error:
        raise InputError(f"{index}: gradients.{describe(error.errors()[0])}") from None
    return manifest.config.model_copy(update={"gradients": gradients})


def taken_anew(index: Path, manifest: Manifest, log: Log, config: Config, model: str | None) -> str:
    """Write a version whose statistics are of the rows that are live, and make it current; its number.

    Args:
        index: the index directory.
        manifest: of the version before.
        log: of deletes.
        config: that names the curvatures.
        model: where the model lies now, if not where it was.

    Raises:
        InputError: no row is live.
        DamageError: a file of the version before is not what was written.
    """
    check_version(index, manifest)
    names = [entry.name for entry in manifest.shards]
    facts = facts_of_version(manifest, corpus_columns(manifest), [read_sidecar(index, name) for name in names])
    counted = Counted.under(index, manifest, log)
    if not counted.alive[OF_CURVATURE].any():
        raise InputError(none_live(index, manifest))
    if FACTORED & set(config.gradients.curvature):
        sums = factor_sums(index, manifest, log, counted.alive[OF_CURVATURE], partial(signer_of, index, manifest, model))
        counted = counted._replace(factors=sums)
    fresh = VersionWriter(index, replace(facts, config=config), names, counted=counted).write(manifest)
    write_current(index, fresh.version)
    return fresh.version
