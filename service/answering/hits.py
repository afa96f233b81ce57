"""Rows as the hits and instances of an answer."""

from collections.abc import Sequence

import numpy as np

from attridex.service.reading.asked import as_scores
from attridex.service.search.groups import GroupHits
from attridex.service.search.postings import SharingHit, kept_neurons
from attridex.service.search.scan import Hits
from attridex.service.storage.version import IndexVersion
from attridex.v1.answers import Instance, InstanceHit


def scored_hits(version: IndexVersion, found: Hits, fields: Sequence[str]) -> tuple[InstanceHit, ...]:
    """Hits with the asked columns."""
    ids, shown = version.ids_of(found.rows), version.fields(found.rows.tolist(), fields)
    return tuple(
        InstanceHit(rank, identity, int(row), float(score), values)
        for rank, (identity, row, score, values) in enumerate(zip(ids, found.rows, found.scores, shown, strict=True), 1)
    )


def group_hits(version: IndexVersion, found: GroupHits, fields: Sequence[str]) -> tuple[InstanceHit, ...]:
    """Groups as hits, each with the asked columns of its best instance."""
    ids, shown = version.ids_of(found.best), version.fields(found.best.tolist(), fields)
    columns = zip(found.names, found.best, found.scores, shown, found.counts, ids, strict=True)
    return tuple(
        InstanceHit(rank, name, int(row), float(score), values, instances=int(count), best=identity)
        for rank, (name, row, score, values, count, identity) in enumerate(columns, 1)
    )


def sharing_hits(version: IndexVersion, found: Sequence[SharingHit], fields: Sequence[str]) -> tuple[InstanceHit, ...]:
    """Hits with the asked columns, and the neurons that they share with the query."""
    rows = np.array([hit.row for hit in found], np.int64)
    ids, shown = version.ids_of(rows), version.fields(rows.tolist(), fields)
    return tuple(
        InstanceHit(rank, identity, hit.row, hit.score, values, as_scores(version, hit.shared))
        for rank, (hit, identity, values) in enumerate(zip(found, ids, shown, strict=True), 1)
    )


def instances_of(
    version: IndexVersion, rows: Sequence[int], fields: Sequence[str], *, with_neurons: bool = False, with_hidden: bool = False
) -> tuple[Instance, ...]:
    """Instances with the asked columns.

    Args:
        version: the index.
        rows: of the instances.
        fields: columns; all where none is named.
        with_neurons: whether their kept neurons are given.
        with_hidden: whether the states that the head reads are.
    """
    names = fields or [name for name, _ in version.manifest.columns if name not in ("row", "id")]
    shown, ids = version.fields(rows, names), version.ids_of(np.asarray(rows, np.int64))
    return tuple(
        Instance(
            identity, int(row), values,
            neurons=as_scores(version, kept_neurons(version, row)) if with_neurons else (),
            hidden=version.state(row) if with_hidden else None,
        )
        for identity, row, values in zip(ids, rows, shown, strict=True)
    )  # fmt: skip
