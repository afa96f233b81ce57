"""The survey of a corpus: one pass that checks and counts every record, before any model work."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from attridex.indexer.config import CorpusConfig
from attridex.indexer.corpus.columns import RULES, ColumnRules
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.corpus.reading import Attempt, attempts, class_remarks, is_typed
from attridex.indexer.corpus.remarks import Remarks
from attridex.indexer.corpus.rendering import Renderer
from attridex.indexer.errors import InputError, nearest
from attridex.indexer.index.layout import RESERVED, is_reserved
from attridex.indexer.readers.class_labels import shown_columns
from attridex.indexer.readers.table_values import ShownValues

NAMED = 10
"""Records that cannot be used are named up to this many."""


@dataclass(frozen=True)
class Unusable:
    """A record that cannot be used.

    Attributes:
        number: its place in the corpus, from 0.
        id: its own; empty where it has none.
        where: file and line.
        reason: why, without the place.
    """

    number: int
    id: str
    where: str
    reason: str


@dataclass(frozen=True)
class Survey:
    """What one pass over a corpus found, before any model work.

    Attributes:
        instances: how many there are.
        tokens: over all instances.
        truncated: how many were cut to fit the model.
        fingerprint: SHA-256 over ids, contents and fields in order.
        columns: DuckDB type of each text and metadata column.
        unusable: records that are left out.
        remarks: what is to be said of how texts are read.
    """

    instances: int
    tokens: int
    truncated: int
    fingerprint: str
    columns: dict[str, str]
    unusable: tuple[Unusable, ...] = ()
    remarks: tuple[str, ...] = ()


class Count:
    """What is known of a corpus up to some record."""

    def __init__(self, columns: Sequence[str], rules: ColumnRules, remarks: Remarks) -> None:
        """`columns` that are stored."""
        self.remarks = remarks
        self.counted, self.unusable = Counter[str](), list[Unusable]()
        self.kinds: dict[str, set[str]] = {name: set() for name in columns}
        self._first = dict[tuple[str, str], str]()  # where a column first has a value of some kind
        self.digest, self._rules, self._seen = hashlib.sha256(), rules, set[bytes]()

    def add(self, instance: RenderedInstance, where: str) -> None:
        """Count an instance.

        Raises:
            InputError: its id stood before.
        """
        check_id(instance.id, where, self._seen)
        self.remarks.see(instance)
        self.counted.update(instances=1, tokens=instance.tokens, truncated=int(instance.truncated))
        for name, kinds in self.kinds.items():
            kind = self._rules.kind_of(instance.fields[name])
            if kind not in kinds:
                kinds.add(kind)
                self._first[name, kind] = where
        fields = [instance.id, instance.key, dict(instance.fields)]
        self.digest.update(json.dumps(fields, sort_keys=True, default=str).encode())

    def leave_out(self, number: int, attempt: Attempt, identity: str) -> None:
        """Note a record that cannot be used; `identity` is the column of its id."""
        where, found = attempt.record.where, attempt.record.values.get(identity)
        reason = str(attempt.reason).removeprefix(f"{where}: ")
        self.unusable.append(Unusable(number, "" if found is None else str(found), where, reason))

    def types(self, texts: Sequence[str]) -> dict[str, str]:
        """DuckDB type of each column; `texts` are stored as what they show, whatever they hold."""
        found = {name: self._rules.type_of(kinds) for name, kinds in self.kinds.items()}
        return found | dict.fromkeys(texts, "VARCHAR")

    def fitting(self, columns: Mapping[str, str]) -> dict[str, str]:
        """The columns of an index, which values of what was counted fit into, in the order of a first build's.

        Raises:
            InputError: there are others, or a value of another kind.
        """
        if self.kinds.keys() != columns.keys():
            found = ", ".join(sorted(self.kinds.keys() ^ columns.keys()))
            raise InputError(f"columns differ from those of the index: {found}; build another index for these records")
        for name, kind in columns.items():
            kinds = self.kinds[name] - {"NULL"}
            own = self._rules.type_of(kinds)
            fits = not kinds or kind in ("VARCHAR", own) or (kind, own) == ("DOUBLE", "BIGINT")
            if not fits and self._rules.type_of({kind, *kinds}) != kind:
                odd = next(each for each in sorted(kinds) if self._rules.type_of({kind, each}) != kind)
                raise InputError(
                    f"{self._first[name, odd]}: column '{name}' is {kind} in this index and {own} here; give values of that "
                    "kind, or build the index anew"
                )
        return {name: columns[name] for name in self.kinds}  # the plan of a batch, which is sealed, has them by name


def survey(
    corpus: CorpusConfig,
    renderer: Renderer,
    *,
    labels_needed: bool,
    see: Callable[[RenderedInstance], None] = lambda _: None,
    first: int = 0,
    columns: Mapping[str, str] | None = None,
    another: Callable[[], Renderer] | None = None,
) -> Survey:
    """Check every record and count them.

    Args:
        corpus: sources and columns.
        renderer: renders records.
        labels_needed: whether a record without a label is refused.
        see: is shown every instance.
        first: number of the first record.
        columns: types of the columns that the records are to fit into; they have their own where None.
        another: makes another renderer; see `attempts`.

    Raises:
        InputError: a duplicate id, a reserved column name, or no instance at all; or records with a missing column, an unknown
            label or an empty text, the first of which are named, where `corpus.skip_bad` does not leave them out.
    """
    names = list(dict.fromkeys([*corpus.metadata, *renderer.text_fields, *renderer.added_fields]))
    check_names(names)
    count, example = Count(names, RULES[corpus.rendering], Remarks(renderer.vocabulary)), dict[str, Any]()
    shown = ShownValues(shown_columns(corpus.model_dump()) if corpus.rendering > 1 else (), typed=is_typed(corpus))
    tried = attempts(corpus, renderer, labels_needed=labels_needed, first=first, another=another)
    for number, attempt in enumerate(tried, first):
        if attempt.reason:
            count.leave_out(number, attempt, corpus.id)
            if len(count.unusable) == NAMED and not corpus.skip_bad:
                break
        else:
            shown.see(attempt.record.values)
        for instance in attempt.instances:
            example = {**attempt.record.values}
            count.add(instance, attempt.record.where)
            see(instance)
    check_usable(corpus, count)
    for name in corpus.metadata if columns is None else ():
        if count.kinds[name] == {"NULL"}:
            raise InputError(no_column(name, example))
    counted, unusable = count.counted, tuple(count.unusable)
    types, said = (
        count.types(renderer.text_fields) if columns is None else count.fitting(columns),
        (*renderer.remarks, *class_remarks(corpus, renderer.task), *shown.lines, *count.remarks.lines),
    )
    return Survey(counted["instances"], counted["tokens"], counted["truncated"], count.digest.hexdigest(), types, unusable, said)


def no_column(name: str, known: Iterable[str]) -> str:
    """That no record has anything in a column for filters; `known` are columns that there are."""
    if name in known:
        return f"corpus.metadata: column '{name}' is empty in every record; leave it out"
    return f"corpus.metadata: no record has a column '{name}'; {nearest(name, known)}"


def check_usable(corpus: CorpusConfig, count: Count) -> None:
    """Refuse a corpus with records that cannot be used, unless they are left out and others stay.

    Raises:
        InputError: see there; the first of them are named.
    """
    found, usable = count.unusable, count.counted["instances"]
    if not usable and not found:
        raise InputError(f"{', '.join(corpus.files) or corpus.dataset}: no instances in the corpus")
    if not found or (corpus.skip_bad and usable):
        return
    if len(found) == 1:
        raise InputError(f"{found[0].where}: {found[0].reason}")
    if corpus.skip_bad:
        raise InputError(f"no record can be used: {named_records(found)}")
    most = f"at least {len(found)}" if len(found) == NAMED else str(len(found))
    raise InputError(f"{most} records cannot be used (--skip-bad leaves them out): {named_records(found)}")


def named_records(found: Sequence[Unusable]) -> str:
    """Places and reasons of records, in one line; what has the same reason is named together."""
    places: dict[str, list[str]] = {}
    for each in found[:NAMED]:
        places.setdefault(each.reason, []).append(each.where)
    return "; ".join(f"{', '.join(shortened(wheres))}: {reason}" for reason, wheres in places.items())


def shortened(places: Sequence[str]) -> list[str]:
    """Places ("file:line"), the file named once where several stand in it one after another."""
    parts = [place.rpartition(":") for place in places]
    return [last if at and parts[at - 1][0] == file else f"{file}:{last}" for at, (file, _, last) in enumerate(parts)]


def check_names(columns: Sequence[str]) -> None:
    """Refuse columns whose names are attridex's own, or differ only in the case of letters."""
    for name in columns:
        if is_reserved(name):
            raise InputError(
                f"corpus: the column '{name}' has a name that attridex uses itself; rename it ({', '.join(RESERVED)})"
            )
    known: dict[str, str] = {}
    for name in columns:
        if known.setdefault(name.lower(), name) != name:
            raise InputError(
                f"corpus: the columns '{known[name.lower()]}' and '{name}' differ only in the case of letters, which the index's "
                "table does not tell apart; rename one"
            )


def check_id(identity: str, where: str, seen: set[bytes]) -> None:
    """Refuse an id that stood before; 16 bytes an id are kept."""
    key = hashlib.blake2b(identity.encode(), digest_size=16).digest()
    if key in seen:
        raise InputError(f"{where}: duplicate id '{identity}'; ids must be unique over the corpus")
    seen.add(key)
