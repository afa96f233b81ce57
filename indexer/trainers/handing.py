"""Handing a training over to an index: rows and model are put beside its shards, and a configuration that names them."""

import shutil
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attridex.indexer.config import Config, load_config, parse_config
from attridex.indexer.errors import InputError
from attridex.indexer.files import publish, write_synced
from attridex.indexer.index.directory import write_lock
from attridex.indexer.index.layout import LOCK, PLAN, SOURCE, SOURCE_RECORD
from attridex.indexer.index.records import Source, tree_entries, write_record
from attridex.indexer.progress import Advance, progress
from attridex.indexer.trainers.rows import TrainingRows
from attridex.indexer.trainers.saving import same_trees, saved_model
from attridex.indexer.trainers.settings import corpus_settings, merged_settings, model_settings
from attridex.indexer.trainers.source import CONFIG, MODEL, ROWS, toml, write_rows
from attridex.indexer.trainers.trained import Trained

Sections = Mapping[str, Mapping[str, Any]]


@dataclass
class Written:
    """What was found while the rows were written.

    Attributes:
        longest: tokens of the longest row.
        idle: rows without a loss, which are left out.
    """

    longest: int = 0
    idle: int = 0


def hand_over(done: Trained, rows: TrainingRows, sections: Sections, index: Path, *, show: bool) -> Config:
    """Put a training's rows and model beside an index's shards.

    Args:
        done: the training.
        rows: its rows.
        sections: of a configuration, before what the training itself says.
        index: the index directory.
        show: whether progress is shown.

    Returns:
        The configuration that builds the index of them.

    Raises:
        InputError: a setting or a row is not sound, or the directory holds something else, or another training's index.
    """
    corpus = {**corpus_settings(done), "metadata": list(rows.kept)}
    check_settings(done, merged_settings({"corpus": corpus}, sections))
    check_free(index)
    with write_lock(index):
        begun = (index / PLAN).exists()
        place = index / (f"{SOURCE}.new" if begun else SOURCE)
        with publish(place) as directory:
            write_source(done, rows, merged_settings({"corpus": corpus}, sections), directory, show=show)
        if begun:
            same = same_trees(place, index / SOURCE)
            shutil.rmtree(place)
            if not same:
                raise InputError(
                    f"{index}: holds the index of another training (rows, weights, settings); choose another directory"
                )
    return load_config(index / SOURCE / CONFIG)


def check_settings(done: Trained, sections: Sections) -> None:
    """Refuse a wrong setting before any work.

    Raises:
        InputError: there is one.
    """
    model = {"path": MODEL, "task": done.task, "adapter": MODEL if done.adapted else None}
    parse_config(merged_settings({"model": model}, sections), "from_trainer", Path())


def check_free(index: Path) -> None:
    """Refuse a directory that holds anything but what `from_trainer` made.

    Raises:
        InputError: it does.
    """
    names = {entry.name for entry in index.iterdir()} if index.is_dir() else set()
    if index.exists() and (not index.is_dir() or names - {LOCK, SOURCE}) and SOURCE not in names:
        raise InputError(f"{index}: not empty and no index of a training; choose another directory")


def write_source(done: Trained, rows: TrainingRows, sections: Sections, directory: Path, *, show: bool) -> None:
    """Write rows, model and configuration.

    Args:
        done: the training.
        rows: its rows.
        sections: of a configuration.
        directory: where.
        show: whether progress is shown.
    """
    found = Written()
    with progress("Collating", len(rows), "rows", enabled=show) as advance:
        write_rows(directory / ROWS, learned(rows, found, advance))
    if found.idle:
        warnings.warn(
            f"from_trainer: {found.idle} rows have no token with a loss, or no label; they taught nothing and are left out",
            stacklevel=2,
        )
    saved = saved_model(done, directory / MODEL)
    whole = merged_settings({"model": model_settings(done, saved, found.longest)}, sections)
    write_synced(directory / CONFIG, toml(whole).encode())
    write_record(directory / SOURCE_RECORD, Source(files=tree_entries(directory)))


def learned(rows: TrainingRows, found: Written, advance: Advance) -> Iterator[dict[str, Any]]:
    """The rows with a loss, as the index keeps them, counted."""
    for number in range(len(rows)):
        row = rows.encoded(number)
        advance(1)
        if not rows.teaches(row):
            found.idle += 1
            continue
        found.longest = max(found.longest, longest(row["input_ids"]), longest(row.get("labels")))
        yield row


def longest(column: Any) -> int:
    """Tokens of a row's column, or of the longest list in it; a label that is one number has none."""
    if not isinstance(column, list):
        return 0
    return max((len(each) for each in column if isinstance(each, list)), default=len(column))
