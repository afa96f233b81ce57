"""The log of deletes: facts about ids, which no version and no shard can undo.

INDEX/deletes.log has a line an entry, each sealed, and chained by the SHA-256 of the line before; the first line, number 0,
begins the log. CURRENT holds the number and the hash of the last line that counts: what stands behind it was never acknowledged.
The file and its copy are each replaced in one step, the copy first and CURRENT last, so there are no torn lines; a file with one
is damaged, and the other one mends it.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import model_validator

from attridex.indexer.errors import DamageError
from attridex.indexer.files import replace_file
from attridex.indexer.index.layout import DELETES, DELETES_COPY
from attridex.indexer.index.records import Record, parse_record

Action = Literal["begin", "delete", "undelete"]


class Head(NamedTuple):
    """The last line of a log: its number, and its SHA-256."""

    seq: int
    sha256: str

    @property
    def words(self) -> str:
        """As CURRENT holds it."""
        return f"{self.seq} {self.sha256}"


class Entry(Record):
    """A line of the log.

    Attributes:
        seq: its number; entries are counted from 1.
        at: when, in UTC.
        action: "begin" in the line 0 alone.
        ids: of instances, or of documents or records, whose windows or tokens they cover.
        contents: what else must match, for each deleted id: the content hash of the one row that is meant, or None for all rows.
        by: who asked for it.
        prior: SHA-256 of the line before.
    """

    seq: int
    at: str
    action: Action
    ids: list[str]
    contents: list[str | None]
    by: str = ""
    prior: str

    @model_validator(mode="after")
    def _as_written(self) -> "Entry":
        if self.action != "begin" and datetime.fromisoformat(self.at).tzinfo is None:
            raise ValueError(f"at: '{self.at}': a time without a zone")
        if self.action == "delete" and len(self.ids) != len(self.contents):
            raise ValueError(f"{len(self.ids)} ids, {len(self.contents)} contents")
        return self

    @property
    def line(self) -> bytes:
        """The entry as the log holds it."""
        data = self.model_dump(mode="json")
        return line_of({**data, "seal": digest(line_of(data))})


class NamedRow(NamedTuple):
    """A row as entries of the log name it.

    Attributes:
        row: its number in a version.
        id: of the instance.
        owner: id of the document or record that it is a part of; its own where it is no part.
        content: its content hash.
        since: of its shard.
    """

    row: int
    id: str
    owner: str
    content: str
    since: int


class Deletion(NamedTuple):
    """A delete of an id that is not undone: its number, and the content hash that it is bound to."""

    seq: int
    content: str | None


def line_of(data: object) -> bytes:
    """JSON in one line whose bytes follow from its content."""
    return json.dumps(data, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def digest(line: bytes) -> str:
    """SHA-256 of a line."""
    return hashlib.sha256(line).hexdigest()


class Log:
    """What was deleted and undeleted; never changed, `with_entry` gives a longer one."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        """Entries in their order, the beginning at the front."""
        self.entries = tuple(entries)

    @classmethod
    def begun(cls, at: str) -> "Log":
        """A log without entries."""
        return cls([Entry(seq=0, at=at, action="begin", ids=[], contents=[], prior="0" * 64)])

    def with_entry(self, at: str, action: Action, ids: Sequence[str], contents: Sequence[str | None], by: str) -> "Log":
        """The log with one more entry.

        Args:
            at: when, in UTC.
            action: what is done.
            ids: to which.
            contents: see `Entry`.
            by: who asks for it.
        """
        seq, prior = self.head
        entry = Entry(seq=seq + 1, at=at, action=action, ids=list(ids), contents=list(contents), by=by, prior=prior)
        return Log([*self.entries, entry])

    @cached_property
    def head(self) -> Head:
        """The last line."""
        return Head(self.entries[-1].seq, digest(self.entries[-1].line))

    def until(self, seq: int) -> "Log":
        """The log as it was when `seq` entries had been written."""
        return Log(self.entries[: seq + 1])

    @cached_property
    def deletions(self) -> dict[str, list[Deletion]]:
        """Deletes of each id that are not undone, in their order; an undelete undoes the last one of its id."""
        found: dict[str, list[Deletion]] = {}
        for entry in self.entries:
            if entry.action == "delete":
                for name, content in zip(entry.ids, entry.contents, strict=True):
                    found.setdefault(name, []).append(Deletion(entry.seq, content))
            for name in entry.ids if entry.action == "undelete" else ():
                last = found[name][-1].seq if found.get(name) else 0
                found[name] = [deletion for deletion in found.get(name, []) if deletion.seq != last]
        return {name: deletions for name, deletions in found.items() if deletions}

    def hides(self, row: NamedRow) -> list[str]:
        """Names, the row's own or its owner's, by whose deletes it is hidden; none where it is live."""
        return [name for name in dict.fromkeys((row.id, row.owner)) if self._hides(name, row)]

    def _hides(self, name: str, row: NamedRow) -> bool:
        own = name == row.id
        return any(
            deletion.seq > row.since and (deletion.content is None or (own and deletion.content == row.content))
            for deletion in self.deletions.get(name, ())
        )

    def write(self, index: Path) -> None:
        """Replace the copy, then the log; neither counts before CURRENT names its last line."""
        for name in (DELETES_COPY, DELETES):
            replace_file(index / name, self.content)

    @property
    def content(self) -> bytes:
        """What its files hold."""
        return b"".join(entry.line for entry in self.entries)


def parse_log(content: bytes, where: Path) -> Log:
    """A log of the content of its file.

    Raises:
        DamageError: a line is not what was written, or does not follow the one before.
        InputError: it has a key that this attridex does not know.
    """
    entries: list[Entry] = []
    for number, line in enumerate(content.splitlines(keepends=True)):
        prior = digest(entries[-1].line) if entries else "0" * 64
        entry = parse_line(line, where)
        if entry is None or (entry.seq, entry.prior) != (number, prior) or (entry.action == "begin") != (number == 0):
            raise DamageError(f"{where}: damaged (line {number + 1} is not what was written); `attridex repair` mends it")
        entries.append(entry)
    if not entries:
        raise DamageError(f"{where}: damaged (it is empty); `attridex repair` mends it")
    return Log(entries)


def parse_line(line: bytes, where: Path) -> Entry | None:
    """An entry of its line; None where that is not what was written."""
    try:
        data = json.loads(line)
        del data["seal"]
        whole = line_of({**data, "seal": digest(line_of(data))}) == line
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return parse_record(Entry, data, where) if whole else None


def read_log(index: Path, head: Head, name: str = DELETES) -> Log:
    """The log up to its last line that counts.

    Args:
        index: the index directory.
        head: that line, as CURRENT names it.
        name: of the file, the log or its copy.

    Raises:
        DamageError: the file is missing, is not what was written, or is not the one that CURRENT names.
    """
    path = index / name
    try:
        whole = parse_log(path.read_bytes(), path)
    except FileNotFoundError:
        raise DamageError(f"{path}: missing; `attridex repair {index}` mends it") from None
    except OSError as error:
        raise DamageError(f"{path}: cannot be read ({error.strerror})") from None
    log = whole.until(head.seq)
    if log.head != head:
        raise DamageError(f"{path}: damaged (not the log that CURRENT names); `attridex repair {index}` mends it")
    return log
