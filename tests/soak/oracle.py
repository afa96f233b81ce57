"""What an index must hold after any sequence of commands, in plain Python: rows, versions, and a log of deletes of ids."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple


class Row(NamedTuple):
    """A row that was signed once.

    Attributes:
        id: of its record.
        mark: a word that stands in no other row.
        born: entries that the log had when it was planned, or a later one of its merged shard; only later ones hide it.
    """

    id: str
    mark: str
    born: int


class Said(NamedTuple):
    """An entry of the log: "delete" or "undelete", and of which ids."""

    action: str
    ids: tuple[str, ...]


class RefusedError(Exception):
    """A command must refuse this."""


@dataclass(frozen=True)
class Oracle:
    """The state of an index; never changed, each command gives the next one.

    Attributes:
        versions: rows of each version on the disk, by number.
        current: number of the served one.
        log: entries.
        removed: marks of rows that a compaction has removed for good.
    """

    versions: Mapping[int, tuple[Row, ...]]
    current: int
    log: tuple[Said, ...] = ()
    removed: frozenset[str] = field(default_factory=frozenset)

    @property
    def rows(self) -> tuple[Row, ...]:
        """Of the served version, hidden ones too."""
        return self.versions[self.current]

    def hides(self, row: Row) -> bool:
        """Whether a delete that was not undone came after the row."""
        deletes: list[int] = []
        for number, entry in enumerate(self.log, 1):
            if row.id in entry.ids:
                deletes = [*deletes, number] if entry.action == "delete" else deletes[:-1]
        return any(number > row.born for number in deletes)

    def live(self, version: int | None = None) -> tuple[Row, ...]:
        """Rows of a version, the served one unless another is given, that are not hidden."""
        return tuple(row for row in self.versions[version or self.current] if not self.hides(row))

    def of(self, ids: Collection[str]) -> list[Row]:
        """Rows of the served version with one of some ids."""
        return [row for row in self.rows if row.id in ids]

    def with_version(self, rows: Sequence[Row], **changed: object) -> "Oracle":
        """A new version is served."""
        number = max(self.versions) + 1
        return replace(self, versions={**self.versions, number: tuple(rows)}, current=number, **changed)

    def appended(self, marks: Mapping[str, str]) -> "Oracle":
        """Records came in, with these marks by id."""
        if {row.id for row in self.live()} & marks.keys():
            raise RefusedError
        return self.with_version([*self.rows, *(Row(name, mark, len(self.log)) for name, mark in marks.items())])

    def updated(self, marks: Mapping[str, str]) -> "Oracle":
        """Records were replaced, those with these marks by id."""
        if marks.keys() - {row.id for row in self.rows}:
            raise RefusedError
        live = [name for name in marks if name in {row.id for row in self.live()}]
        log = (*self.log, Said("delete", tuple(live))) if live else self.log
        return self.with_version([*self.rows, *(Row(name, mark, len(log)) for name, mark in marks.items())], log=log)

    def deleted(self, ids: Sequence[str]) -> "Oracle":
        """Records were deleted by id."""
        if set(ids) - {row.id for row in self.rows}:
            raise RefusedError
        live = tuple(name for name in ids if name in {row.id for row in self.live()})
        after = replace(self, log=(*self.log, Said("delete", live))) if live else self
        if not after.live() and live:
            raise RefusedError
        return after

    def undeleted(self, ids: Sequence[str]) -> "Oracle":
        """The last delete of each id was undone: refused if it is live, unknown, or would be live beside its successor."""
        own = self.of(ids)
        if {*ids} - {row.id for row in own} or not all(map(self.hides, own)):
            raise RefusedError
        after = replace(self, log=(*self.log, Said("undelete", tuple(ids))))
        for number in after.versions:
            again = [row for row in after.live(number) if row.id in ids]
            if len({(row.id, row.born) for row in again}) > len({row.id for row in again}):
                raise RefusedError
        return after

    def activated(self, number: int) -> "Oracle":
        """Another version is served."""
        return replace(self, current=number)

    def pruned(self, keep: int) -> "Oracle":
        """The served version and the last ones stayed."""
        kept = {self.current, *sorted(self.versions)[-keep:]}
        return replace(self, versions={number: rows for number, rows in self.versions.items() if number in kept})

    def refreshed(self) -> "Oracle":
        """Statistics were taken anew, of the live rows, if there are any."""
        if not self.live():
            raise RefusedError
        return self.with_version(self.rows)

    def compacted(self) -> "Oracle":
        """One version is left, and only live rows in it, if there are any."""
        if not self.live():
            raise RefusedError
        live, every = self.live(), {row.mark for rows in self.versions.values() for row in rows}
        removed = self.removed | (every - {row.mark for row in live})
        number = self.current if live == self.rows else max(self.versions) + 1
        return replace(self, versions={number: live}, current=number, removed=removed)
