"""Refreshing what was taken of other rows than those that are live now: curvatures, neuron statistics, BM25, structures."""

from pathlib import Path
from typing import NamedTuple

from attridex.indexer.building.versions import VersionWriter
from attridex.indexer.index.directory import read_manifest, read_sidecar, write_current, writing
from attridex.indexer.lifecycle.deleting import counted_log
from attridex.indexer.lifecycle.facts import corpus_columns, facts_of_version
from attridex.indexer.lifecycle.liveness import columns_of, hidden_rows
from attridex.indexer.lifecycle.staleness import Counted, stale_of


class Refreshed(NamedTuple):
    """What a refresh did: the version that is current, and what was stale."""

    version: str
    refreshed: tuple[str, ...]


def refresh(index: Path) -> Refreshed:
    """Take everything that needs all rows of the live ones anew, as a version that becomes current; nothing is signed.

    Raises:
        InputError: there is no index, it is of format 2, or no instance is live.
        BusyError: another process writes.
    """
    with writing(index) as current:
        manifest, log = read_manifest(index, current.version), counted_log(index)
        stale = stale_of(columns_of(index, manifest), manifest, log, hidden_rows(index, manifest, log))
        if not stale:
            return Refreshed(current.version, ())
        names = [entry.name for entry in manifest.shards]
        facts = facts_of_version(manifest, corpus_columns(manifest), [read_sidecar(index, name) for name in names])
        fresh = VersionWriter(index, facts, names, counted=Counted.under(index, manifest, log)).write()
        write_current(index, fresh.version)
        return Refreshed(fresh.version, stale)
