"""Which records of a later batch are new to an index, and which are there."""

import re
from collections.abc import Collection, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from attridex.indexer.config import CorpusConfig
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.errors import InputError
from attridex.indexer.index.catalog import Catalog
from attridex.indexer.index.deletes import Log, NamedRow
from attridex.indexer.index.layout import CATALOG, version_dir
from attridex.indexer.index.records import Manifest
from attridex.indexer.lifecycle.liveness import PART, named_in, named_rows
from attridex.indexer.sections import DOCUMENT, PARTED_FORMS

NUMBERED = re.compile("[0-9]+")
"""Id of a record that is called by its number."""


class BatchNames:
    """The ids of a batch's instances, and of the records that they are parts of, each in its order.

    Attributes:
        owners: ids of the records; of the instances where those are no parts.
    """

    def __init__(self, corpus: CorpusConfig, columns: Mapping[str, Any]) -> None:
        """None yet; `columns` are those of the index."""
        self.owners: dict[str, None] = {}
        self._ids: dict[str, str] = {}
        self._parted, self._per_token = corpus.form in PARTED_FORMS and DOCUMENT in columns, corpus.per_token

    def see(self, instance: RenderedInstance) -> None:
        """Note an instance."""
        owner = re.sub(PART, "", instance.id) if self._per_token else instance.id
        self._ids[instance.id] = str(instance.fields[DOCUMENT]) if self._parted else owner
        self.owners[self._ids[instance.id]] = None

    def owner(self, id: str) -> str:
        """The record that an instance is a part of."""
        return self._ids[id]

    @property
    def all(self) -> Collection[str]:
        """Both."""
        return self.owners.keys() | self._ids.keys()


def rows_called(index: Path, manifest: Manifest, names: Collection[str]) -> list[NamedRow]:
    """Rows of a version that one of some names is the id or the owner of."""
    with closing(Catalog(version_dir(index, manifest.version) / CATALOG)) as catalog:
        return list(named_in(catalog.columns, manifest, names))


def check_new(index: Path, manifest: Manifest, log: Log, names: BatchNames) -> None:
    """Refuse records that are there.

    Args:
        index: the index directory.
        manifest: of the version that they come to.
        log: of deletes.
        names: of the records.

    Raises:
        InputError: an id is live; the first one is named.
    """
    live = {name for row in rows_called(index, manifest, names.all) if not log.hides(row) for name in (row.id, row.owner)}
    found = [name for name in names.owners if name in live] or [name for name in names.all if name in live]
    if found:
        there = f"and {len(found) - 1} more are" if len(found) > 1 else "is"
        raise InputError(
            f"{index}: '{found[0]}' {there} there already; `attridex update` replaces what has changed, `append` takes new ids"
        )


def check_known(index: Path, manifest: Manifest, names: BatchNames) -> None:
    """Refuse records that were never there.

    Raises:
        InputError: an id is unknown, or records have none of their own.
    """
    if not manifest.config.corpus.id:
        raise InputError(f"{index}: its ids are the records' numbers, so none says what is to be updated; delete and append")
    known = {row.owner for row in rows_called(index, manifest, names.owners.keys())}
    missing = [name for name in names.owners if name not in known]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(f"{index}: no '{missing[0]}'{more} there to update; `attridex append` takes new ids")


def live_owners(index: Path, manifest: Manifest, log: Log, names: BatchNames) -> list[str]:
    """Those of a batch's records that are live, in the batch's order.

    Args:
        index: the index directory.
        manifest: of the version that they come to.
        log: of deletes.
        names: of the records.
    """
    live = {row.owner for row in rows_called(index, manifest, names.owners.keys()) if not log.hides(row)}
    return [name for name in names.owners if name in live]


def next_record(index: Path, manifest: Manifest) -> int:
    """The number of the next record, where records are called by their numbers; else 0."""
    if manifest.config.corpus.id:
        return 0
    numbers = [int(row.owner) for row in named_rows(index, manifest) if NUMBERED.fullmatch(row.owner)]
    return 1 + max([*numbers, *(left.position for left in manifest.bad)], default=-1)
