"""Datasets of the library `datasets`: names on the Hub, and directories of every kind that it saves or reads."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attridex.indexer.config import CorpusConfig
from attridex.indexer.errors import InputError, first_line, nearest
from attridex.indexer.readers.class_labels import ByName, Features, chosen_features, class_features, named_columns
from attridex.indexer.readers.placed_records import PlacedRecord
from attridex.indexer.readers.table_files import is_single
from attridex.indexer.readers.values import singles

SAVED, SAVED_SPLITS = "state.json", "dataset_dict.json"
"""Files of a directory that `Dataset.save_to_disk` and `DatasetDict.save_to_disk` write."""


def read_dataset(corpus: CorpusConfig, by_name: ByName) -> Iterator[PlacedRecord]:
    """A split of a dataset; classes as their names where that is wanted.

    Raises:
        InputError: it cannot be loaded, or has no such split.
    """
    data = load_split(corpus)
    features = chosen_features(features_of(data), by_name)
    short = [field.name for field in data.features.arrow_schema if is_single(field.type)] if data.features else []
    for number, values in enumerate(readable(corpus, data)):
        known = {**values, **{name: singles(values[name]) for name in short}} if short else values
        yield PlacedRecord(named_columns(known, features), f"{corpus.dataset}[{corpus.split}]:{number}")


def load_split(corpus: CorpusConfig) -> Any:
    """A split, whose rows are plain Python whatever format it was saved with.

    Raises:
        InputError: it cannot be loaded, or has no such split.
    """
    try:
        return loaded(corpus).with_format(None)
    except InputError:
        raise
    except Exception as error:  # datasets raises dozens of types; each is the user's input or network
        raise failed(corpus, error) from None


def loaded(corpus: CorpusConfig) -> Any:
    """The split, from the kind of directory that there is, or from the Hub."""
    import datasets

    name, path = str(corpus.dataset), Path(str(corpus.dataset))
    if path.is_file():
        raise InputError(f'corpus.dataset = "{name}": this is a file; give it as files = ["{path.name}"]')
    if (path / SAVED_SPLITS).exists():
        return split_of(datasets.load_from_disk(name), corpus)
    if (path / SAVED).exists():
        return only_split(datasets.load_from_disk(name), corpus)
    if (path / corpus.split / SAVED).exists():
        return datasets.load_from_disk(str(path / corpus.split))
    if saved := sorted(each.parent.name for each in path.glob(f"*/{SAVED}")):
        raise InputError(f"corpus.split: \"{name}\" has no split '{corpus.split}'; {nearest(corpus.split, saved)}")
    return datasets.load_dataset(name, corpus.config, split=corpus.split, streaming=corpus.streaming)


def split_of(splits: Any, corpus: CorpusConfig) -> Any:
    """A split of those that were saved together."""
    if corpus.split not in splits:
        raise InputError(f"corpus.split: \"{corpus.dataset}\" has no split '{corpus.split}'; {nearest(corpus.split, splits)}")
    return splits[corpus.split]


def only_split(data: Any, corpus: CorpusConfig) -> Any:
    """A dataset that was saved alone: there is nothing to choose from it."""
    if corpus.split not in ("train", str(data.split)):
        raise InputError(
            f'corpus.split = "{corpus.split}": "{corpus.dataset}" was saved as one dataset without splits; leave it out'
        )
    return data


def features_of(data: Any) -> Features:
    """Features that hold a ClassLabel; none where a stream does not tell."""
    return class_features(data.features.to_dict()) if data.features else {}


def readable(corpus: CorpusConfig, data: Any) -> Iterator[dict[str, Any]]:
    """The rows of a split.

    Raises:
        InputError: one cannot be read.
    """
    try:
        yield from data
    except Exception as error:  # as above: files, network, decoders of images and sound
        raise failed(corpus, error) from None


def failed(corpus: CorpusConfig, error: Exception) -> InputError:
    """What is said of a dataset that cannot be read."""
    return InputError(f'corpus.dataset = "{corpus.dataset}": cannot be loaded ({corpus.split}): {first_line(error)}')
