"""Reading a corpus: records with their place, from files or a dataset, and their instances."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from attridex.indexer.config import CorpusConfig
from attridex.indexer.corpus.columns import RULES
from attridex.indexer.corpus.datasets_library import features_of, load_split, read_dataset
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.corpus.rendering import Renderer
from attridex.indexer.errors import InputError, brief, nearest
from attridex.indexer.readers.class_labels import label_classes, parquet_features
from attridex.indexer.readers.placed_records import PlacedRecord
from attridex.indexer.readers.record_files import read_record_file
from attridex.indexer.readers.table_files import parquet_schema


def read_records(corpus: CorpusConfig) -> Iterator[PlacedRecord]:
    """All records of a corpus, in order, one at a time.

    Raises:
        InputError: a file is missing, of an unknown kind, or has a line that cannot be read (named).
    """
    names = reads_class_names(corpus)
    if corpus.dataset is not None:
        yield from read_dataset(corpus, class_names=names)
    for name in corpus.files:
        yield from read_record_file(Path(name), delimiter=corpus.delimiter, class_names=names)


def reads_class_names(corpus: CorpusConfig) -> bool:
    """Whether ClassLabel columns are read as names: not as a Trainer's own rows have them, nor by the rules of number 1."""
    return corpus.rendering > 1 and corpus.form != "encoded"


def label_names(corpus: CorpusConfig) -> list[str]:
    """Names of the label's classes, alone or in a list, in the order of their numbers, where the data tell them; else none."""
    if not reads_class_names(corpus):
        return []
    if corpus.dataset is not None:
        features = features_of(load_split(corpus))
    else:
        schemas = [parquet_schema(Path(name)) for name in corpus.files if name.lower().endswith(".parquet")]
        known = [parquet_features(schema.metadata) for schema in schemas if schema is not None]
        features = next((each for each in known if corpus.label in each), {})
    return label_classes(features.get(corpus.label))


class Attempt(NamedTuple):
    """A record, and its instances or why it cannot be used."""

    record: PlacedRecord
    instances: list[RenderedInstance]
    reason: InputError | None = None


def rendered(corpus: CorpusConfig, renderer: Renderer, *, labels_needed: bool) -> Iterator[tuple[PlacedRecord, RenderedInstance]]:
    """Records with their instances, of which one may give several; an empty `corpus.id` numbers them.

    Raises:
        InputError: a record cannot be used, where `corpus.skip_bad` does not leave it out.
    """
    for record, instances, reason in attempts(corpus, renderer, labels_needed=labels_needed):
        if reason and not corpus.skip_bad:
            raise reason
        for instance in instances:
            yield record, instance


def attempts(corpus: CorpusConfig, renderer: Renderer, *, labels_needed: bool) -> Iterator[Attempt]:
    """Every record, with its instances or why it cannot be used.

    Raises:
        InputError: no record has a column that a chat template is to be given.
    """
    lacking, known = corpus.template_columns, set[str]()
    for number, record in enumerate(read_records(corpus)):
        lacking = {setting: column for setting, column in lacking.items() if column not in record.values}
        known = known | record.values.keys() if lacking else known
        try:
            values = identified(record, corpus, number)
            instances = renderer.instances(values, record.where)
            for name in corpus.metadata:
                RULES[corpus.rendering].check(name, values.get(name), record.where)
            if labels_needed and any(instance.label_name is None for instance in instances):
                raise InputError(no_label(record, corpus))
        except InputError as error:
            yield Attempt(record, [], error)
        else:
            yield Attempt(record, instances)
    for setting, column in lacking.items():
        raise InputError(f"corpus.{setting}: no record has a column '{column}'; {nearest(column, known)}")


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
