"""Instances as a person may check them: their tokens by name, what has a loss, which position is read, the label."""

from collections.abc import Iterator, Set
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

from attridex.indexer.config import Config
from attridex.indexer.corpus.columns import RULES
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.corpus.reading import named_classes, read_records, rendered
from attridex.indexer.corpus.rendering import Renderer
from attridex.indexer.corpus.stored import stored_instances
from attridex.indexer.corpus.survey import no_column
from attridex.indexer.errors import InputError
from attridex.indexer.forms.encoding import Tokens
from attridex.indexer.forms.vocabulary import Vocabulary
from attridex.indexer.index.shards import Shard
from attridex.indexer.readers.record_files import read_record_file
from attridex.indexer.readers.table_files import Dialect as Dialect
from attridex.indexer.task_kinds import LANGUAGE_TASKS, Task


@dataclass(frozen=True)
class ShownSequence:
    """A sequence as the model reads it.

    Attributes:
        ids: of the tokens.
        tokens: their names, as the tokenizer writes them.
        special: positions of special tokens.
        types: token types; empty where the model is given none.
        read: positions whose states decide: of a language model those before the tokens that have a loss; none of a source.
        loss: positions of the tokens that have a loss; none where the sequence has a label.
    """

    ids: Tokens
    tokens: tuple[str, ...]
    special: Tokens
    types: Tokens
    read: Tokens
    loss: Tokens


@dataclass(frozen=True)
class ShownInstance:
    """An instance as the model reads it.

    Attributes:
        id: of the record.
        label: of the record, by name; None where it has none, or the tokens are what is wanted.
        truncated: whether tokens were cut.
        sequences: one, or one a choice; of an encoder-decoder model the source, then the target behind its start.
    """

    id: str
    label: str | None
    truncated: bool
    sequences: tuple[ShownSequence, ...]


def shown(instance: RenderedInstance, vocabulary: Vocabulary, task: Task) -> ShownInstance:
    """An instance with its tokens by name, and the label that its task gives it: of a language model the tokens are wanted."""
    label = None if task in LANGUAGE_TASKS else instance.answer if instance.reads else instance.label_name
    learned = tuple(read + (task in LANGUAGE_TASKS) for read in instance.reads)  # the next token is wanted, or the token's label
    if instance.source:
        begun = instance.sequences[0]
        target = (*begun, *instance.wanted[-1:])  # the last token, which nothing follows, is not given to the decoder
        learning = shown_sequence(target, vocabulary, read=instance.reads or (len(begun) - 1,), loss=learned)
        return ShownInstance(instance.id, label, instance.truncated, (shown_sequence(instance.source, vocabulary), learning))
    types = instance.types or ((),) * len(instance.sequences)
    sequences = [
        shown_sequence(ids, vocabulary, own, instance.reads or (vocabulary.read(ids),), learned)
        for ids, own in zip(instance.sequences, types, strict=True)
    ]
    return ShownInstance(instance.id, label, instance.truncated, tuple(sequences))


def shown_sequence(
    ids: Tokens, vocabulary: Vocabulary, types: Tokens = (), read: Tokens = (), loss: Tokens = ()
) -> ShownSequence:
    """A sequence with its tokens by name.

    Args:
        ids: of the tokens.
        vocabulary: names them.
        types: of the tokens.
        read: positions whose states decide.
        loss: positions of the tokens that have a loss.
    """
    special = tuple(at for at, token in enumerate(ids) if token in vocabulary.special)
    return ShownSequence(ids, tuple(map(vocabulary.name, ids)), special, types, read, loss)


def corpus_instances(config: Config, renderer: Renderer, limit: int) -> Iterator[RenderedInstance]:
    """The first instances of a corpus, as a build reads them; see `reading.rendered` and `check_metadata` for what it raises."""
    found = islice(rendered(config.corpus, renderer, labels_needed=config.gradients.label == "gold"), limit)
    yield from (instance for _, instance in found)
    check_metadata(config)


def check_metadata(config: Config) -> None:
    """Refuse a column for filters that no record of the corpus has, as a build does; records are read until each was seen.

    Raises:
        InputError: there is one.
    """
    lacking, known = dict.fromkeys(config.corpus.metadata), dict[str, None]()
    kind_of = RULES[config.corpus.rendering].kind_of
    for record in read_records(config.corpus, config.model.task) if lacking else ():
        known |= dict.fromkeys(record.values)
        lacking = {name: None for name in lacking if kind_of(record.values.get(name)) == "NULL"}
        if not lacking:
            return
    for name in lacking:
        raise InputError(no_column(name, known))


def query_instances(path: Path, config: Config, renderer: Renderer, limit: int, dialect: Dialect) -> Iterator[RenderedInstance]:
    """The first queries of a file, as they would be asked; see `Renderer.begun` for what it raises.

    Args:
        path: of the file.
        config: of the corpus, which the queries are read as.
        renderer: of the model.
        limit: how many.
        dialect: of CSV and TSV.
    """
    by_name = named_classes(config.corpus, config.model.task)
    for record in islice(read_record_file(path, dialect=dialect, by_name=by_name), limit):
        yield renderer.begun(record.values, record.where)


def shard_instances(
    shards: list[Shard], config: Config, renderer: Renderer, limit: int, deleted: Set[int] = frozenset()
) -> Iterator[RenderedInstance]:
    """The first instances that an index holds, from what it stores of them.

    Args:
        shards: of the index.
        config: of the index.
        renderer: of its model.
        limit: how many instances.
        deleted: the version's rows that are not shown.
    """
    places = ((shard, row) for shard in shards for row in range(shard.rows) if shard.start + row not in deleted)
    for shard, chosen in groupby(islice(places, limit), key=lambda place: place[0]):
        yield from stored_instances(shard, [row for _, row in chosen], config.corpus, renderer)
