"""What a corpus has that its index lacks, and the other way round: by ids, content hashes and stored columns."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from attridex.indexer.building.plan import CORPUS, Plan, changed_settings
from attridex.indexer.building.versions import corpus_columns
from attridex.indexer.corpus.columns import RULES, ColumnRules
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.corpus.reading import rendered
from attridex.indexer.errors import InputError
from attridex.indexer.index.directory import read_current, read_deletes, read_manifest
from attridex.indexer.index.layout import CURRENT, PLAN
from attridex.indexer.index.records import Manifest, read_sealed
from attridex.indexer.lifecycle.liveness import columns_of, hidden_rows
from attridex.indexer.models.renderers import make_renderer


class Changes(NamedTuple):
    """Ids of rows that only the corpus has, that both have with other content, and that only the index has."""

    added: list[str]
    changed: list[str]
    gone: list[str]

    @property
    def words(self) -> str:
        """How many there are of each, the first by its id, and what makes the index follow."""
        kinds = zip(("added", "changed", "gone"), ("append", "update", "delete"), self, strict=True)
        said = [
            (f"{len(ids):,} {what} (the first is '{ids[0]}')" if ids else f"0 {what}", command) for what, command, ids in kinds
        ]
        commands = [f"`attridex {command}`" for (_, command), ids in zip(said, self, strict=True) if ids]
        return f"rows: {', '.join(words for words, _ in said)}; {', '.join(commands)} make the index follow"


class Content(NamedTuple):
    """What is compared of a row: its content hash, and its columns as they are stored."""

    key: str
    columns: tuple[Any, ...]


def followed(plan: Plan, index: Path) -> Manifest | None:
    """The served version, where it holds what a changed corpus holds now, in whichever order; None where the corpus is unchanged.

    Raises:
        InputError: the corpus has other rows than the index; they are counted.
    """
    if not (index / CURRENT).exists():
        return None
    different = set(changed_settings(read_sealed(index / PLAN), plan))
    if "corpus" not in different or not different <= CORPUS:
        return None
    manifest = read_manifest(index, read_current(index))
    found = changes(plan, index, manifest)
    if any(found):
        raise InputError(f"{index}: the corpus has changed since the index was built: {found.words}, or choose another --out")
    return manifest


def changes(plan: Plan, index: Path, manifest: Manifest) -> Changes:
    """What a corpus has other than a version's live rows; where ids are positions, rows are told by what they hold."""
    stored, own = list(stored_rows(index, manifest)), list(own_rows(plan, manifest))
    if not plan.config.corpus.id:
        return Changes(beyond(own, stored), [], beyond(stored, own))
    before, now = dict(stored), dict(own)
    return Changes(
        [name for name in now if name not in before],
        [name for name, content in now.items() if name in before and before[name] != content],
        [name for name in before if name not in now],
    )


def beyond(rows: list[tuple[str, Content]], others: list[tuple[str, Content]]) -> list[str]:
    """Ids of rows that others lack by their content hashes, as often as they do."""
    left, found = Counter(content.key for _, content in others), list[str]()
    for name, content in rows:
        left[content.key] -= 1
        if left[content.key] < 0:
            found.append(name)
    return found


def stored_rows(index: Path, manifest: Manifest) -> Iterator[tuple[str, Content]]:
    """The live rows of a version, by id."""
    names = list(corpus_columns(manifest))
    hidden = set(hidden_rows(index, manifest, read_deletes(index)).tolist())
    table = columns_of(index, manifest)(["id", "content_hash", *names])
    for row, (name, key, *columns) in enumerate(zip(*(table[each].to_pylist() for each in table.column_names), strict=True)):
        if row not in hidden:
            yield name, Content(key, tuple(columns))


def own_rows(plan: Plan, manifest: Manifest) -> Iterator[tuple[str, Content]]:
    """The rows of a corpus, by id, as the columns of a version would store them."""
    kinds = corpus_columns(manifest)
    needed = plan.config.gradients.label == "gold"
    for _, instance in rendered(plan.config.corpus, make_renderer(plan.config), labels_needed=needed):
        rule = RULES[plan.config.corpus.rendering]
        yield instance.id, Content(instance.key, tuple(stored(rule, instance, name, kind) for name, kind in kinds.items()))


def stored(rule: ColumnRules, instance: RenderedInstance, name: str, kind: str) -> Any:
    """A value as a column would store it; of one that does not fit, itself."""
    value = instance.fields[name]
    try:
        return rule.stored(value, kind)
    except (ValueError, TypeError, ArithmeticError):
        return value
