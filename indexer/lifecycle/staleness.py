"""What of a version is stale: taken of other rows than those that are live now, until `attridex refresh`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attridex.indexer.index.deletes import Log
from attridex.indexer.index.directory import read_deletes
from attridex.indexer.index.records import (
    OF_CURVATURE,
    OF_NEURONS,
    OF_STRUCTURES,
    OF_WORDS,
    STATISTICS,
    Manifest,
)
from attridex.indexer.lifecycle.liveness import Columns, columns_of, hidden_in, hidden_rows


def stale_of(columns: Columns, manifest: Manifest, log: Log | None, hidden: NDArray[np.int64]) -> tuple[str, ...]:
    """Which statistics of a version are stale; nothing is said of them in format 2.

    A structure for approximate search finds candidates among what it was made of, whatever is deleted; rows behind those are
    looked at one by one.

    Args:
        columns: gives what the version's rows are called.
        manifest: of the version.
        log: that counts.
        hidden: rows that it hides, ascending.
    """
    if log is None:
        return ()
    return tuple(name for name in there(manifest) if is_stale(name, columns, manifest, log, hidden))


def stale_now(index: Path, manifest: Manifest) -> tuple[str, ...]:
    """Which statistics of a version on the disk are stale; see `stale_of`."""
    log = read_deletes(index)
    return stale_of(columns_of(index, manifest), manifest, log, hidden_rows(index, manifest, log))


def none_live(index: Path, manifest: Manifest) -> str:
    """What is said of a version of which every row is hidden, as of an older one that was made current after updates."""
    return f"{index}: no instance of version {manifest.version} is live; `attridex versions {index}` names others to activate"


def is_stale(name: str, columns: Columns, manifest: Manifest, log: Log, hidden: NDArray[np.int64]) -> bool:
    """Whether one statistic is stale.

    Args:
        name: of it.
        columns: gives what the version's rows are called.
        manifest: of the version.
        log: that counts.
        hidden: rows that it hides, ascending.
    """
    basis = manifest.basis(name)
    if basis.rows < manifest.instances:
        return True
    return name != OF_STRUCTURES and not np.array_equal(hidden_in(columns, manifest, log.until(basis.entries)), hidden)


def there(manifest: Manifest) -> Sequence[str]:
    """Which statistics a version has."""
    has = {
        OF_CURVATURE: bool(manifest.curvatures),
        OF_NEURONS: manifest.neurons,
        OF_WORDS: True,
        OF_STRUCTURES: bool(manifest.config.index.approximate),
    }
    return [name for name in STATISTICS if has[name]]


def counted_rows(columns: Columns, manifest: Manifest, log: Log | None) -> int:
    """How many rows the curvature was taken of."""
    basis = manifest.basis(OF_CURVATURE)
    hidden = hidden_in(columns, manifest, log.until(basis.entries)) if log else np.zeros(0, np.int64)
    return basis.rows - int((hidden < basis.rows).sum())
