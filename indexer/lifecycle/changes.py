"""What a corpus has that its index lacks, and the other way round: by ids, content hashes and stored columns."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from attridex.indexer.index.directory import read_deletes
from attridex.indexer.index.records import Manifest
from attridex.indexer.lifecycle.liveness import columns_of, hidden_rows


class Changes(NamedTuple):
    """Ids of rows that only the corpus has, that both have with other content, and that only the index has."""

    added: list[str]
    changed: list[str]
    gone: list[str]

    @property
    def words(self) -> str:
        """How many there are of each, the first of them by id, and what makes the index follow."""
        first = ", ".join(f"'{ids[0]}'" for ids in self if ids)
        commands = zip(("append", "update", "delete"), self, strict=True)
        needed = ", ".join(f"`attridex {command}`" for command, ids in commands if ids)
        added, changed, gone = (f"{len(ids):,}" for ids in self)
        return f"{added} rows added, {changed} changed, {gone} gone (the first: {first}): {needed} do it"


class Content(NamedTuple):
    """What is compared of a row: its content hash, and its columns as they are stored."""

    key: str
    columns: tuple[Any, ...]


NamedContent = tuple[str, Content]
"""A row by its id."""


def changes(own: Sequence[NamedContent], stored: Sequence[NamedContent], *, positions: bool) -> Changes:
    """What the rows of a corpus are other than those of an index.

    Args:
        own: rows of the corpus.
        stored: live rows of the index.
        positions: whether ids are positions: then rows are told by what they hold.
    """
    if positions:
        return Changes(beyond(own, stored), [], beyond(stored, own))
    before, now = dict(stored), dict(own)
    return Changes(
        [name for name in now if name not in before],
        [name for name, content in now.items() if name in before and before[name] != content],
        [name for name in before if name not in now],
    )


def beyond(rows: Sequence[NamedContent], others: Sequence[NamedContent]) -> list[str]:
    """Ids of rows that others lack by all that is compared, as often as they do."""
    left, found = Counter(repr(content) for _, content in others), list[str]()
    for name, content in rows:
        held = repr(content)
        left[held] -= 1
        if left[held] < 0:
            found.append(name)
    return found


def stored_rows(index: Path, manifest: Manifest, names: Sequence[str]) -> Iterator[NamedContent]:
    """The live rows of a version by id, with some of their columns."""
    hidden = set(hidden_rows(index, manifest, read_deletes(index)).tolist())
    table = columns_of(index, manifest)(["id", "content_hash", *names])
    for row, (name, key, *columns) in enumerate(zip(*(table[each].to_pylist() for each in table.column_names), strict=True)):
        if row not in hidden:
            yield name, Content(key, tuple(columns))
