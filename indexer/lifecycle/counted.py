"""The rows that each statistic of a version is taken of, and sums of K-FAC's factors over those of the curvature."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from attridex.indexer.index.arrays import read_tensors
from attridex.indexer.index.deletes import Log
from attridex.indexer.index.layout import FACTORS, version_dir
from attridex.indexer.index.records import OF_STRUCTURES, STATISTICS, Basis, Manifest
from attridex.indexer.index.verify import check_file
from attridex.indexer.lifecycle.liveness import hidden_rows

Alive = NDArray[np.bool_]
Sums = dict[str, NDArray[np.float64]]


class Counted(NamedTuple):
    """What the statistics of a version of n rows are taken of.

    Attributes:
        bases: what its manifest says of that, by statistic (of `STATISTICS`).
        alive: True for the rows that count [n], by statistic.
        factors: sums of K-FAC's factors over those of the curvature, where they are not what the shards have summed.
    """

    bases: Mapping[str, Basis]
    alive: Mapping[str, Alive]
    factors: Sums | None = None

    @classmethod
    def every(cls, rows: int, factors: Sums | None = None) -> "Counted":
        """All rows of a version, whatever is deleted."""
        return cls(
            dict.fromkeys(STATISTICS, Basis(rows=rows, entries=0)), dict.fromkeys(STATISTICS, np.ones(rows, bool)), factors
        )

    @classmethod
    def under(cls, index: Path, manifest: Manifest, log: Log) -> "Counted":
        """The rows of a version that a log leaves."""
        basis = Basis(rows=manifest.instances, entries=log.head.seq)
        return cls(dict.fromkeys(STATISTICS, basis), dict.fromkeys(STATISTICS, rows_of(index, manifest, basis, log)))

    @classmethod
    def kept(cls, index: Path, manifest: Manifest, log: Log | None) -> "Counted":
        """The rows that each statistic of a version before was taken of, but structures, which are made of all rows anew."""
        bases = {name: manifest.basis(name) for name in STATISTICS}
        bases[OF_STRUCTURES] = bases[OF_STRUCTURES].model_copy(update={"rows": manifest.instances})
        return cls(bases, {name: rows_of(index, manifest, basis, log) for name, basis in bases.items()})

    @property
    def statistics(self) -> dict[str, Basis]:
        """What a manifest says of that; nothing where every statistic is of all rows."""
        everything = all(basis.entries == 0 and basis.rows == len(self.alive[name]) for name, basis in self.bases.items())
        return {} if everything else dict(self.bases)


def rows_of(index: Path, manifest: Manifest, basis: Basis, log: Log | None) -> Alive:
    """The rows of a version that a basis names, [n].

    Args:
        index: the index directory.
        manifest: of the version.
        basis: of a statistic.
        log: of deletes; None in format 2, whose statistics are of all rows.
    """
    alive = np.arange(manifest.instances) < basis.rows
    if log is not None:
        alive[hidden_rows(index, manifest, log.until(basis.entries))] = False
    return alive


def stored_sums(index: Path, manifest: Manifest) -> Sums | None:
    """The sums in a version's own file; None where it has none.

    Raises:
        DamageError: the file is not what was written.
    """
    if FACTORS not in manifest.files:
        return None
    path = version_dir(index, manifest.version) / FACTORS
    check_file(path, manifest.files[FACTORS])
    return read_tensors(path)
