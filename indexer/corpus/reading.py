"""Reading a corpus: records with their place, from files or a dataset, and their instances."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from attridex.indexer.ahead import in_order
from attridex.indexer.config import CorpusConfig
from attridex.indexer.corpus.columns import RULES
from attridex.indexer.corpus.datasets_library import features_of, load_split, read_dataset
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.corpus.rendering import Renderer
from attridex.indexer.errors import InputError, brief, nearest
from attridex.indexer.outputs import output_of, whole_number
from attridex.indexer.readers.class_labels import (
    ByName,
    Features,
    classes_by_name,
    label_classes,
    parquet_features,
    shown_columns,
)
from attridex.indexer.readers.placed_records import PlacedRecord
from attridex.indexer.readers.record_files import read_record_file
from attridex.indexer.readers.table_files import Dialect, parquet_schema
from attridex.indexer.task_kinds import Task

MOST_THREADS = 8
"""That render a corpus; Python's own part of the work is done by one at a time."""


def read_records(corpus: CorpusConfig, task: Task) -> Iterator[PlacedRecord]:
    """All records of a corpus, in order, one at a time.

    Raises:
        InputError: a file is missing, of an unknown kind, or has a line that cannot be read (named).
    """
    by_name = named_classes(corpus, task)
    if corpus.dataset is not None:
        yield from read_dataset(corpus, by_name)
    for name in corpus.files:
        yield from read_record_file(Path(name), dialect=dialect_of(corpus), by_name=by_name)


def is_typed(corpus: CorpusConfig) -> bool:
    """Whether a corpus's source says itself of what type its columns are: Parquet, or a dataset."""
    return corpus.dataset is not None or all(name.lower().endswith(".parquet") for name in corpus.files)


def dialect_of(corpus: CorpusConfig) -> Dialect:
    """How the tables of a corpus are written."""
    return Dialect(corpus.delimiter, corpus.quoting)


def named_classes(corpus: CorpusConfig, task: Task) -> ByName:
    """Which columns' classes are read as names; see `classes_by_name`."""
    return classes_by_name(corpus.model_dump(), task)


def label_names(corpus: CorpusConfig, task: Task) -> list[str]:
    """Names of the label's classes, alone or in a list, in the order of their numbers, where the data tell them; else none."""
    if not named_classes(corpus, task)(corpus.label):
        return []
    return label_classes(next((each[corpus.label] for each in known_features(corpus) if corpus.label in each), None))


def check_classes(corpus: CorpusConfig, task: Task, outputs: Sequence[str]) -> None:
    """Refuse classes that are called by numbers of other outputs: training learned a class's own number, not its name.

    Args:
        corpus: whose label may be a ClassLabel.
        task: of the model.
        outputs: names of its outputs.

    Raises:
        InputError: a class's name is a number, and means another output than the class is number of.
    """
    for number, name in enumerate(label_names(corpus, task)):
        meant = output_of(name, outputs, corpus.rendering) if whole_number(name) is not None else None
        if meant is not None and meant != number:
            raise InputError(
                f"corpus.label: class '{name}' is number {number} of column '{corpus.label}', which a Trainer learns, and by its "
                f"name output {meant}; name the outputs as the classes are by corpus.labels"
            )


def known_features(corpus: CorpusConfig) -> list[Features]:
    """Features that hold a ClassLabel: of a dataset, or of each Parquet file."""
    if corpus.dataset is not None:
        return [features_of(load_split(corpus))]
    schemas = [parquet_schema(Path(name)) for name in corpus.files if name.lower().endswith(".parquet")]
    return [parquet_features(schema.metadata) for schema in schemas if schema is not None]


def class_remarks(corpus: CorpusConfig, task: Task) -> list[str]:
    """What there is to say of classes that a text shows: by number, as the rows have them, but for a label that is shown too."""
    by_name = named_classes(corpus, task)
    shown = sorted({name for each in known_features(corpus) for name in each.keys() & shown_columns(corpus.model_dump())})
    return [
        f"the texts show column '{name}', a ClassLabel, by its {'names' if by_name(name) else 'numbers, as the rows have it'}; "
        "if the training's texts had it otherwise, write that into a column of its own"
        for name in shown
        if corpus.rendering > 1
    ]


class Attempt(NamedTuple):
    """A record, and its instances or why it cannot be used."""

    record: PlacedRecord
    instances: list[RenderedInstance]
    reason: InputError | None = None


def rendered(
    corpus: CorpusConfig, renderer: Renderer, *, labels_needed: bool, first: int = 0
) -> Iterator[tuple[PlacedRecord, RenderedInstance]]:
    """Records with their instances, of which one may give several; an empty `corpus.id` numbers them.

    Args:
        corpus: sources and columns.
        renderer: renders records.
        labels_needed: whether a record without a label is refused.
        first: number of the first record.

    Raises:
        InputError: a record cannot be used, where `corpus.skip_bad` does not leave it out.
    """
    for record, instances, reason in attempts(corpus, renderer, labels_needed=labels_needed, first=first):
        if reason and not corpus.skip_bad:
            raise reason
        for instance in instances:
            yield record, instance


def attempts(
    corpus: CorpusConfig,
    renderer: Renderer,
    *,
    labels_needed: bool,
    first: int = 0,
    another: Callable[[], Renderer] | None = None,
) -> Iterator[Attempt]:
    """Every record, with its instances or why it cannot be used.

    Args:
        corpus: sources and columns.
        renderer: renders records.
        labels_needed: whether a record without a label is refused.
        first: number of the first record.
        another: makes another one like it, for each of several threads; there are none without it.

    Raises:
        InputError: no record has a column that a chat template is to be given; or see `check_classes`.
    """
    check_classes(corpus, renderer.task, renderer.labels)
    lacking, known = corpus.template_columns, set[str]()

    def trying(own: Renderer) -> Callable[[tuple[int, PlacedRecord]], Attempt]:
        return lambda numbered: attempt(*numbered, corpus, own, labels_needed=labels_needed)

    numbered = enumerate(read_records(corpus, renderer.task), first)
    own, threads = trying(renderer), min(MOST_THREADS, len(os.sched_getaffinity(0)))
    found = in_order(numbered, own, lambda: trying(another()), threads) if another else map(own, numbered)
    for tried in found:
        lacking = {setting: column for setting, column in lacking.items() if column not in tried.record.values}
        known = known | tried.record.values.keys() if lacking else known
        yield tried
    for setting, column in lacking.items():
        raise InputError(f"corpus.{setting}: no record has a column '{column}'; {nearest(column, known)}")


def attempt(number: int, record: PlacedRecord, corpus: CorpusConfig, renderer: Renderer, *, labels_needed: bool) -> Attempt:
    """A record with its instances, or why it cannot be used.

    Args:
        number: of the record.
        record: with its place.
        corpus: its columns.
        renderer: renders it.
        labels_needed: whether a record without a label is refused.
    """
    try:
        values = identified(record, corpus, number)
        instances = renderer.instances(values, record.where)
        for name in corpus.metadata:
            RULES[corpus.rendering].check(name, values.get(name), record.where)
        if labels_needed and any(instance.label_name is None for instance in instances):
            raise InputError(no_label(record, corpus))
    except InputError as error:
        return Attempt(record, [], error)
    return Attempt(record, instances)


def identified(record: PlacedRecord, corpus: CorpusConfig, number: int) -> dict[str, Any]:
    """A record's values with its id, which is its number where `corpus.id` is empty.

    Raises:
        InputError: it has no id, or one that is neither text nor number.
    """
    if not corpus.id:
        return {**record.values, corpus.id: str(number)}
    value = record.values.get(corpus.id)
    if value is None or value in ("", float("inf")) or value != value:
        raise InputError(
            f"{record.where}: missing column '{corpus.id}' (corpus.id); {nearest(corpus.id, record.values)}; "
            'id = "" numbers the instances'
        )
    if isinstance(value, bool | list | dict | bytes):
        raise InputError(f"{record.where}: the id (corpus.id) is {brief(value)}; a text or a number is needed")
    return dict(record.values)


def no_label(record: PlacedRecord, corpus: CorpusConfig) -> str:
    """What is said of a record without a label."""
    if corpus.label in record.values:
        found = f"no label: column '{corpus.label}' (corpus.label) is {brief(record.values[corpus.label])}"
    else:
        found = f"missing column '{corpus.label}' (corpus.label); {nearest(corpus.label, record.values)}"
    return f'{record.where}: {found}; gradients.label = "predicted" needs none'
