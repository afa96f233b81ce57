"""Sums of K-FAC's factors over the rows that are live: what shards have summed, with rows added and taken away by their model.

A shard sums over what was signed with it, and not at all where the build did not ask for K-FAC. Sums over other rows are kept in
a file of the version.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from attridex.indexer.corpus.stored import stored_instances
from attridex.indexer.curvature.kfac import FactorSums
from attridex.indexer.curvature.tensors import Tensors
from attridex.indexer.errors import DamageError
from attridex.indexer.index.arrays import read_tensors
from attridex.indexer.index.deletes import Log
from attridex.indexer.index.layout import FACTORS, version_dir
from attridex.indexer.index.records import OF_CURVATURE, Manifest
from attridex.indexer.index.shards import Shard, open_shards
from attridex.indexer.index.verify import check_file
from attridex.indexer.lifecycle.counted import Alive, rows_of
from attridex.indexer.signing.signer import Signer


class Summed(NamedTuple):
    """Sums by name, and the rows that they are over [n]."""

    sums: Tensors
    rows: Alive


def factor_sums(index: Path, manifest: Manifest, log: Log, alive: Alive, signer: Callable[[], Signer]) -> Tensors | None:
    """The sums over the rows that are alive; None where they are what the shards have summed.

    Args:
        index: the index directory.
        manifest: of the version.
        log: of deletes.
        alive: rows that count [n].
        signer: loads the model, if it is needed.
    """
    shards = open_shards(index, manifest.shards)
    own = own_sums(shards)
    if own.sums and np.array_equal(own.rows, alive):
        return None
    found = known(index, manifest, log, shards)
    sums = dict(found.sums)
    for rows, sign in ((alive & ~found.rows, 1), (found.rows & ~alive, -1)):
        if rows.any():
            for name, values in passed(signer(), shards, rows).items():
                sums[name] = sums[name] + sign * values if name in sums else sign * values
    return sums


def known(index: Path, manifest: Manifest, log: Log, shards: Sequence[Shard]) -> Summed:
    """What a version has summed: in its own file, and in the shards behind those rows; without that file in its shards.

    Args:
        index: the index directory.
        manifest: of the version.
        log: of deletes.
        shards: of the version.
    """
    path, own = version_dir(index, manifest.version) / FACTORS, own_sums(shards)
    if FACTORS not in manifest.files or not whole(path, manifest):
        return own
    basis = manifest.basis(OF_CURVATURE)
    rows = rows_of(index, manifest, basis, log)
    later = own_sums([shard for shard in shards if shard.start >= basis.rows], len(rows))
    return Summed(added(read_tensors(path), later.sums), rows | later.rows)


def whole(path: Path, manifest: Manifest) -> bool:
    """Whether a version's file is what was written."""
    try:
        check_file(path, manifest.files[path.name])
    except (DamageError, OSError):
        return False
    return True


def own_sums(shards: Sequence[Shard], rows: int | None = None) -> Summed:
    """What shards have summed, but compacted ones, whose sums are over rows that are gone; `rows` of the version."""
    found: Tensors = {}
    over = np.zeros(sum(shard.rows for shard in shards) if rows is None else rows, bool)
    for shard in shards:
        directory = shard.directory
        if isinstance(directory, Path) and "." not in directory.name and (directory / FACTORS).exists():
            found, over[shard.start : shard.stop] = added(found, shard.factors()), True
    return Summed(found, over)


def added(sums: Tensors, more: Tensors) -> Tensors:
    """Two sums together."""
    return {**sums, **{name: sums[name] + values if name in sums else values for name, values in more.items()}}


def passed(signer: Signer, shards: Sequence[Shard], rows: Alive) -> Tensors:
    """The sums over some rows, by passes over what the index stores of them."""
    sums, config = FactorSums(signer.gradients.blocks), signer.config
    for shard in shards:
        chosen = np.flatnonzero(rows[shard.start : shard.stop]).tolist()
        instances = stored_instances(shard, chosen, config.corpus, signer.renderer) if chosen else []
        for _ in signer.gradient_batches(instances, label=config.gradients.label, factors=sums):
            pass
    return sums.tensors()
