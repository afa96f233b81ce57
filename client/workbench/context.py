"""What every study is given: whom to ask, about what, with which seed, and where its work is kept."""

import hashlib
import json
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attridex.client.client import Client
from attridex.client.errors import UsageError
from attridex.client.evaluate import evaluate
from attridex.client.records import Dialect, Line, Record, indexed_records
from attridex.client.workbench.methods import StudyMethod, chosen, scoring_of
from attridex.client.workbench.settings import Common
from attridex.indexer.outputs import output_of
from attridex.indexer.readers.table_files import PLAIN
from attridex.indexer.task_kinds import GOLD_ALONE, MANY_ANSWERS
from attridex.v1.answers import IndexInfo
from attridex.v1.requests import LabelSource, Request, Scoring

CHUNK = 8
"""Queries of one request."""


class NotPossibleError(UsageError):
    """A study that this index, model or query file has not what it takes for; a run of all studies leaves it out."""


@dataclass(frozen=True)
class Asked:
    """A query: the record that is sent, and its right answer, which may be a label that the model does not know."""

    record: Record
    gold: str | None

    @property
    def id(self) -> str:
        """The record's id."""
        return str(self.record["id"])


@dataclass(frozen=True)
class Context:
    """A run of studies.

    Attributes:
        client: whom to ask.
        index: what the index holds.
        queries: the run's queries, drawn from its file by the seed.
        common: settings that all studies share.
        out: the run's directory.
        seed: of everything drawn.
        training: configuration file for studies that retrain; None takes the index's own.
        quiet: no progress on stderr.
        limit: at most so many queries and tests, for a taste.
        base: directory that file names in the settings are seen from.
        dialect: of CSV and TSV queries.
    """

    client: Client
    index: IndexInfo
    queries: tuple[Asked, ...]
    common: Common
    out: Path
    seed: int
    training: Path | None = None
    quiet: bool = False
    limit: int | None = None
    base: Path = field(default_factory=Path)
    dialect: Dialect = PLAIN

    @property
    def corpus(self) -> Mapping[str, Any]:
        """The corpus section of the configuration that the index was built from."""
        section: Mapping[str, Any] = self.index.manifest["config"]["corpus"]
        return section

    @property
    def label(self) -> LabelSource:
        """Whose loss a query's gradient is of; a language model has only its target's, a regression its numbers'."""
        return "gold" if self.index.task in GOLD_ALONE else self.common.label

    @property
    def seeds(self) -> int:
        """Trainings of every model that is retrained."""
        return max(1, self.common.seeds)

    @property
    def methods(self) -> tuple[StudyMethod, ...]:
        """Methods to compare."""
        return chosen(self.common.methods, self.index)

    def scoring(self, method: StudyMethod) -> Scoring:
        """A method as a request has it."""
        return scoring_of(method, self.index, self.seed)

    def work(self, name: str) -> Path:
        """A place for what a study resumes from."""
        path = self.out / "work" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def right(self, predicted: str, gold: str | None) -> bool:
        """Whether a prediction is the gold label, or one of the outputs that it stands for."""
        return predicted in self.common.same.get(str(gold), (str(gold),))

    def ask(
        self,
        name: str,
        queries: Sequence[Asked],
        build: Callable[[Sequence[Record]], Request],
        lines: Callable[[Any], Iterator[Line]],
        *,
        settings: Mapping[str, Any],
        chunk: int = CHUNK,
    ) -> list[Line]:
        """Ask queries as a batch job that resumes after a kill; one line each, in their order.

        Args:
            name: of the job's file.
            queries: what is asked.
            build: makes the request for the records of some queries.
            lines: makes one line for each query of an answer.
            settings: what else the request depends on; a file begun with other settings is refused.
            chunk: queries of a request.
        """
        out = self.work(f"{name}.jsonl")
        records = [query.record for query in queries]
        asked = {**settings, "seed": self.seed, "queries": fingerprint(records)}
        with self.progress(name, len(records), "queries") as advance:
            evaluate(self.client, records, build, lines, out, settings=asked, advance=advance, say=self.say, batch=chunk)
        with out.open(encoding="utf-8") as stream:
            return [json.loads(line) for line in stream]

    def say(self, what: str) -> None:
        """One line on stderr about work without a bar."""
        if not self.quiet:
            sys.stderr.write(f"{what}\n")

    def progress(self, what: str, total: int, unit: str) -> Any:
        """Progress with time left, on stderr."""
        from attridex.indexer.progress import progress

        return progress(what, total, unit, enabled=not self.quiet)


def read_queries(path: Path, index: IndexInfo, seed: int, count: int, dialect: Dialect = PLAIN) -> tuple[Asked, ...]:
    """Queries drawn from a file, in the file's order; labels that the model does not know are kept as gold and not sent.

    Args:
        path: the file.
        index: whose labels are known.
        seed: of the drawing.
        count: how many are drawn; 0 takes all.
        dialect: of CSV and TSV.

    Raises:
        UsageError: see `records.read_records`.
    """
    corpus = index.manifest["config"]["corpus"]
    column, one = corpus["label"], bool(index.labels) and index.task not in MANY_ANSWERS
    found = []
    for record in sampled(list(indexed_records(path, dialect, index)), count, seed):
        gold = record.get(column)
        known = gold is None or not one or gold_output(gold, index) is not None
        sent = record if known else {key: value for key, value in record.items() if key != column}
        found.append(Asked(sent, None if gold is None else gold_name(gold, index)))
    return tuple(found)


def gold_name(gold: Any, index: IndexInfo) -> str:
    """A gold label as answers name it: the output that it means, or itself where the model has none."""
    number = None if index.task in MANY_ANSWERS else gold_output(gold, index)
    return str(gold) if number is None else index.labels[number]


def gold_output(gold: Any, index: IndexInfo) -> int | None:
    """The output that a gold label means, by the rules that the index reads records by."""
    return output_of(gold, index.labels, index.manifest["config"]["corpus"].get("rendering", 1))


def sampled(rows: list[Any], count: int, seed: int) -> list[Any]:
    """So many of the rows, drawn by the seed, in their order; all for 0."""
    if not 0 < count < len(rows):
        return rows
    return [rows[at] for at in sorted(random.Random(seed).sample(range(len(rows)), count))]


def fingerprint(content: Any) -> str:
    """SHA-256 of what JSON can hold."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def file_in(base: Path, name: str, what: str) -> Path:
    """A file named in the settings, seen from their directory.

    Raises:
        UsageError: it is not there.
    """
    path = base / name
    if not path.is_file():
        raise UsageError(f"{what} = {name!r}: no such file ({path})")
    return path
