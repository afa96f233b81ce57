"""A group: some shards of each open version, in memory, and answers from them. The same code scans an index in one process."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attridex.indexer.errors import DamageError
from attridex.indexer.held.locks import Hold
from attridex.indexer.held.waited import still_waited, waited_for
from attridex.indexer.index.directory import read_manifest
from attridex.indexer.index.layout import MANIFEST, version_dir
from attridex.indexer.index.vectors import Part
from attridex.service.caller import Waiter
from attridex.service.groups.questions import (
    AskExact,
    AskFinalists,
    AskProducts,
    AskVector,
    Keep,
    Load,
    Loaded,
    Message,
    Ping,
    Portion,
    Queries,
    What,
)
from attridex.service.search.scan import Scanner, best_alone, rescore
from attridex.service.search.whole import largest_norm, products
from attridex.service.storage.far import Rows
from attridex.service.storage.held import held_shards
from attridex.service.storage.held_shards import How, ServedShard, record
from attridex.service.storage.shard_vectors import ShardVectors, stored_vector


class HeldPortion:
    """A portion, open: its version does not leave the disk, its shards' files are held.

    Attributes:
        shards: of held files.
        vectors: theirs.
        readers: how many questions are being answered from it.
        retired: whether it closes with the last of them.
    """

    def __init__(self, portion: Portion, how: How, beside: Sequence[ServedShard]) -> None:
        """Open it.

        Args:
            portion: which.
            how: its files are opened.
            beside: shards that are open; those that lie untouched where they were are not opened again.

        Raises:
            DamageError: a file is missing or not what was written, or the manifest is another.
        """
        path = version_dir(portion.index, portion.version)
        with ExitStack() as opening:
            opening.enter_context(closing(Hold(path)))
            record(path / MANIFEST, portion.sha256)
            entries = read_manifest(portion.index, portion.version).shards[portion.first : portion.stop]
            self.shards = held_shards(portion.index, entries, how, opening, beside)
            self.vectors = ShardVectors(self.shards, path)
            self._closing = opening.pop_all()
        self.readers, self.retired = 0, False

    def close(self) -> None:
        """Let files and version go."""
        self._closing.close()


class Group:
    """Holds portions, and answers from the one that is asked about; a portion is opened when it is first asked for."""

    def __init__(self, how: How, threads: int | None) -> None:
        """None is open yet.

        Args:
            how: files are opened.
            threads: of a scan; as many as there are processors where None.
        """
        self._how, self._scanner = how, Scanner(threads)
        self._open: dict[Portion, HeldPortion] = {}
        self._turn, self._lock = threading.Lock(), threading.Lock()

    def answer(self, question: Message) -> Any:
        """The answer to a question; see `questions`.

        Raises:
            DamageError: a file is missing or not what was written.
            DeadlineError: it took longer than anybody waits.
        """
        if isinstance(question, Keep):
            return self._keep(question.portions)
        if isinstance(question, Ping):
            return None
        with waited_for(Waiter(question.seconds).check), self._reading(question.portion) as held:
            return self._answered(held.vectors, question.what)

    def _answered(self, vectors: ShardVectors, what: What) -> Any:
        still_waited()
        parts = vectors.of(what.kind)
        match what:
            case Load():
                return Loaded(vectors.rows, parts[0].dim if parts else 0, largest_norm(parts))
            case AskFinalists(_, queries, k, mask, since):
                chosen = [part for part in parts if part.offset >= since]
                found = self._scanner.finalists(chosen, queries, k, still_waited, mask)
                return [best_alone(each, k) for each in found]
            case AskExact(_, queries, rows):
                return np.stack([rescore(parts, query, rows) for query in queries])
            case AskProducts(_, queries, rows):
                return products_of(parts, queries, rows)
            case AskVector(_, row):
                return stored_vector(parts, row)

    @contextmanager
    def _reading(self, portion: Portion) -> Iterator[HeldPortion]:
        held = self._taken(portion)
        try:
            yield held
        finally:
            with self._lock:
                held.readers -= 1
                over = held.retired and not held.readers
            if over:
                held.close()

    def _taken(self, portion: Portion) -> HeldPortion:
        """An open portion, with one reader more."""
        with self._turn:  # who asks for one that is being opened waits for that
            with self._lock:
                beside = [shard for held in self._open.values() for shard in held.shards]
            held = self._open.get(portion) or HeldPortion(portion, self._how, beside)
            with self._lock:
                self._open[portion] = held
                held.readers += 1
                return held

    def _keep(self, portions: frozenset[Portion]) -> None:
        with self._turn, self._lock:
            gone = [self._open.pop(portion) for portion in [*self._open] if portion not in portions]
            for held in gone:
                held.retired = True
            over = [held for held in gone if not held.readers]
        for held in over:
            held.close()

    def close(self) -> None:
        """Let threads and files go."""
        self._scanner.close()
        self._keep(frozenset())


def products_of(parts: Sequence[Part], queries: Queries, rows: Rows) -> NDArray[np.float32]:
    """Float32 scores [q, m] of rows [m] of one part, ascending; the bound of their error is the asker's."""
    part = next(part for part in reversed(parts) if part.offset <= rows[0])
    if rows[-1] >= part.offset + part.rows:
        raise DamageError(f"rows {rows[0]} to {rows[-1]} are not of one shard")
    return np.asarray(products(queries, 0.0)((part, rows - part.offset)).scores, np.float32)


@dataclass(frozen=True)
class GroupJob:
    """What a group's process is started with; it travels by pickle."""

    how: How
    threads: int | None

    def open(self) -> Callable[[Message], Any]:
        """Be a group, in this process."""
        return Group(self.how, self.threads).answer
