"""Structures for approximate search over the stored unit gradients, written and read.

Rows are quantised and put in descending order of their norms, in pieces. Within a piece norms are alike, so its nearest rows
by inner product of unit vectors are nearest by gradient inner product too; pieces whose norms are too small to matter are
not read at all (Cauchy-Schwarz). What a structure finds are candidates, which the caller scores exactly.

Letters: n rows, d dimensions, q queries.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import faiss
import numpy as np
from numpy.typing import NDArray

from attridex.indexer.approximate.on_gpus import NumberedRows, filled_lists, graph
from attridex.indexer.config import Structure
from attridex.indexer.errors import DamageError
from attridex.indexer.held.files import Place, path_of
from attridex.indexer.held.waited import still_waited
from attridex.indexer.index.arrays import read_array, write_array
from attridex.indexer.index.layout import GRADIENTS, ORDER, ORDERED_NORMS
from attridex.indexer.index.shards import Shard
from attridex.indexer.index.vectors import read_faiss, write_faiss
from attridex.indexer.randomness import signs

Float32 = NDArray[np.float32]
Rows = NDArray[np.int64]

EXPANSION: dict[str, int] = {"sq8": 4, "rabitq": 40, "ivf": 4, "cagra": 4}
"""Candidates for each hit that is asked for."""
WHOLE = ("ivf", "cagra")
"""Structures that are one piece, whose rows are found by direction alone."""
KINDS = {"sq8": (b"IxSQ",), "rabitq": (b"Ixrq",), "ivf": (b"IwSq", b"IwSQ"), "cagra": (b"IHc2",)}
"""Letters with which FAISS's files of each structure begin."""
PIECE, LEAST_PIECE = 16384, 512
"""Most and least rows of a piece."""
ALIKE = 0.7
"""A piece's norms are above this share of its largest, as far as it may be that small."""
TURNED = 64
"""Rows that are turned together: they stay in the cache."""
TRAINING = 65536
"""Rows that a quantiser is trained on."""
PROBED = 1 / 16
"""Share of an IVF structure's lists that a query reads."""


class StoredRows(NamedTuple):
    """Unit rows [n, d] and the number of the first."""

    start: int
    units: Float32


def rotated(kind: str, vectors: Float32) -> Float32:
    """Rows as a structure holds them: for RaBitQ turned by a seeded Hadamard rotation, padded to a power of two.

    RaBitQ keeps one bit an element; the rotation spreads what a few elements hold, which keeps inner products and their order.
    """
    if kind != "rabitq":
        return np.ascontiguousarray(vectors)
    rows, dim = vectors.shape
    turned = np.zeros((rows, 1 << (dim - 1).bit_length()), np.float32)
    for start in range(0, rows, TURNED):
        some = slice(start, start + TURNED)
        turned[some, :dim] = vectors[some] * signs(0, "rabitq", dim)
        turned[some] = hadamard(np.ascontiguousarray(turned[some].T)).T
    turned *= np.float32(turned.shape[1] ** -0.5)
    return turned


def hadamard(columns: Float32) -> Float32:
    """Columns of vectors [d, n] times the Hadamard matrix, in place; d is a power of two."""
    half = 1
    while half < len(columns):
        first, second = np.moveaxis(columns.reshape(-1, 2, half, columns.shape[1]), 1, 0)
        difference = first - second
        first += second
        second[:] = difference
        half *= 2
    return columns


def file_name(kind: str, number: int) -> str:
    """Name of a piece's file."""
    return f"approximate_{kind}_{number:04d}.faiss"


def make_quantiser(kind: Structure, dim: int, rows: int) -> Any:
    """An empty FAISS index over unit vectors."""
    if kind == "sq8":
        return faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
    if kind == "rabitq":
        return faiss.IndexRaBitQ(dim, faiss.METRIC_INNER_PRODUCT)
    lists = max(1, min(int(4 * rows**0.5), min(rows, TRAINING) // 39))
    index: Any = faiss.index_factory(dim, f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
    index.nprobe = max(1, round(lists * PROBED))
    return index


def write_structures(directory: Path, shards: Sequence[Shard], kinds: Sequence[Structure], gpu: int | None = None) -> None:
    """Write the structures of a version's shards into its directory; one pass over the shards for each.

    Args:
        directory: of the version.
        shards: of the version.
        kinds: of the structures.
        gpu: which makes them, where it can; see `on_gpus`.
    """
    norms = all_norms(shards)
    order = np.argsort(-norms, kind="stable")
    write_array(directory / ORDER, order)
    write_array(directory / ORDERED_NORMS, norms[order])
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    sampled = sampled_units(shards, TRAINING)

    def placed() -> Iterator[NumberedRows]:
        return (NumberedRows(units, place[start : start + len(units)]) for start, units in unit_gradients(shards))

    for kind in kinds:
        if kind == "cagra":
            write_whole(directory, kind, graph(placed(), (len(order), sampled.shape[1]), gpu or 0))
            continue
        sample = rotated(kind, sampled)
        empty = make_quantiser(kind, sample.shape[1], len(order))
        if kind == "ivf":
            write_whole(directory, kind, filled_lists(empty, sample, placed, gpu))
        else:
            empty.train(sample)
            write_pieces(directory, kind, empty, placed(), norms[order])


def all_norms(shards: Iterable[Shard]) -> Float32:
    """Norms of all rows [n]."""
    return np.concatenate([shard.norms() for shard in shards])


def unit_gradients(shards: Iterable[Shard]) -> Iterator[StoredRows]:
    """The unit gradients of each shard."""
    for shard in shards:
        vectors = shard.vectors(GRADIENTS)
        yield StoredRows(shard.start, vectors.block(0, vectors.rows))


def sampled_units(shards: Sequence[Shard], count: int) -> Float32:
    """About `count` unit gradients, evenly spaced in each shard."""
    step = max(1, sum(shard.rows for shard in shards) // count)
    # Copies, so that nothing holds the memory of whole shards.
    return np.concatenate([stored.units[::step].copy() for stored in unit_gradients(shards)])


def write_pieces(directory: Path, kind: Structure, empty: Any, rows: Iterable[NumberedRows], ordered_norms: Float32) -> None:
    """Write codes of all rows in the order of their norms, piece by piece; a row's code is far smaller than the row.

    Args:
        directory: where.
        kind: "sq8" or "rabitq".
        empty: the trained quantiser, a FAISS index.
        rows: all rows, numbered by their place in that order.
        ordered_norms: norms in descending order [n].
    """
    codes = np.zeros((len(ordered_norms), empty.sa_code_size()), np.uint8)
    for units, places in rows:
        codes[places] = empty.sa_encode(rotated(kind, units))
    for number, (first, stop) in enumerate(pairwise(bounds(ordered_norms))):
        piece = faiss.clone_index(empty)
        piece.add_sa_codes(codes[first:stop])
        write_faiss(piece, directory / file_name(kind, number))


def write_whole(directory: Path, kind: Structure, index: Any) -> None:
    """Write a structure that is one piece, whose rows are numbered by their place."""
    write_faiss(index, directory / file_name(kind, 0))


def bounds(norms: Float32) -> list[int]:
    """Where pieces of rows in descending order of their norms begin, and where the last one ends."""
    found = [0]
    while found[-1] < len(norms):
        first = found[-1]
        alike = int(np.searchsorted(-norms[first : first + PIECE], -ALIKE * norms[first], side="right"))
        found.append(min(len(norms), first + max(alike, LEAST_PIECE)))
    return found


@dataclass(frozen=True)
class Piece:
    """Part of a structure: places [start, start + n) of the order, n of them, and the largest norm there."""

    index: Any
    start: int
    largest: float


class Approximate:
    """A structure, open for candidates."""

    def __init__(self, directory: Place, kind: str, placed: Callable[[Any], Any] = lambda index: index) -> None:
        """Load it.

        Args:
            directory: where its files are.
            kind: of the structure.
            placed: gives what is asked instead of each FAISS index.

        Raises:
            DamageError: FAISS cannot read a file.
        """
        self.kind = kind
        self.order: Rows = read_array(directory / ORDER)
        self.norms: Float32 = read_array(directory / ORDERED_NORMS)
        if not np.array_equal(np.sort(self.order, axis=None), np.arange(self.norms.size)):
            raise DamageError(f"{path_of(directory / ORDER)}: damaged (it orders other rows than there are norms)")
        self._pieces: list[Piece] = []
        starts = [0] if kind in WHOLE else bounds(self.norms)[:-1]
        for number, start in enumerate(starts):
            path = directory / file_name(kind, number)
            try:
                piece = read_faiss(path, KINDS[kind])
            except RuntimeError:
                raise DamageError(f"{path_of(path)}: damaged, FAISS cannot read it") from None
            self._pieces.append(Piece(placed(piece), start, float(self.norms[start])))

    def candidates(self, query: Float32, count: int, *, weighted: bool, pool: Executor, threads: int) -> Rows:
        """The rows with the highest inner product with a query.

        Args:
            query: a vector [d].
            count: how many, about.
            weighted: whether rows count by their norms.
            pool: threads that search.
            threads: how many of them.
        """
        query = rotated(self.kind, query[None])[0]
        groups = [self._pieces[number::threads] for number in range(min(threads, len(self._pieces)))]
        found = list(pool.map(lambda pieces: self._nearest(pieces, query, count, weighted), groups))
        scores, places = (np.concatenate(parts) for parts in zip(*found, strict=True))
        chosen = np.argsort(-scores, kind="stable")[:count]
        rows: Rows = self.order[places[chosen]]
        return rows

    def _nearest(self, pieces: Sequence[Piece], query: Float32, count: int, weighted: bool) -> tuple[Float32, Rows]:
        """Scores and places of the nearest rows of some pieces."""
        faiss.omp_set_num_threads(1)
        length = float(np.linalg.norm(query))
        scores, places = np.zeros(0, np.float32), np.zeros(0, np.int64)
        for piece in pieces:
            still_waited()
            if weighted and len(scores) >= count and piece.largest * length < scores.min():
                break
            # The last norms of a smallest piece may be unlike its first, so all of its rows are weighed.
            found = max(count, LEAST_PIECE) if weighted else count
            products, local = piece.index.search(query[None], min(found, piece.index.ntotal))
            at = local[0][local[0] >= 0] + piece.start
            mine = products[0][local[0] >= 0] * (self.norms[at] if weighted else 1)
            scores, places = np.concatenate([scores, mine.astype(np.float32)]), np.concatenate([places, at])
            if len(scores) > count:
                best = np.argpartition(-scores, count)[:count]
                scores, places = scores[best], places[best]
        return scores, places


def wanted(kind: str, k: int) -> int:
    """Candidates for k hits."""
    return EXPANSION[kind] * k
