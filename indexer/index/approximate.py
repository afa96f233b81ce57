"""Structures for approximate search over the stored unit gradients, and what they are measured to find.

Rows are quantised and put in descending order of their norms, in pieces. Within a piece norms are alike, so its nearest rows
by inner product of unit vectors are nearest by gradient inner product too; pieces whose norms are too small to matter are
not read at all (Cauchy-Schwarz). What a structure finds are candidates, which the caller scores exactly.

Letters: n rows, d dimensions, q queries.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from attridex.indexer.config import Structure
from attridex.indexer.errors import DamageError
from attridex.indexer.index.layout import GRADIENTS, NORMS, ShardEntry, shard_dir
from attridex.indexer.index.vectors import VectorFile
from attridex.indexer.randomness import signs

Float32 = NDArray[np.float32]
Rows = NDArray[np.int64]

ORDER, ORDERED_NORMS = "approximate_rows.npy", "approximate_norms.npy"
EXPANSION: dict[str, int] = {"sq8": 4, "rabitq": 40, "ivf": 4}
"""Candidates for each hit that is asked for."""
PIECE, LEAST_PIECE = 16384, 512
"""Most and least rows of a piece."""
ALIKE = 0.7
"""A piece's norms are above this share of its largest, as far as it may be that small."""
TRAINING = 65536
"""Rows that a quantiser is trained on."""
QUERIES, BEST = 100, 10
"""Stored rows that recall is measured with, and among how many best: recall@10."""
PROBED = 1 / 16
"""Share of an IVF structure's lists that a query reads."""


def rotated(kind: str, vectors: Float32) -> Float32:
    """Rows as a structure holds them: for RaBitQ turned by a seeded Hadamard rotation, padded to a power of two.

    RaBitQ keeps one bit an element; the rotation spreads what a few elements hold, which keeps inner products and their order.
    """
    if kind != "rabitq":
        return np.ascontiguousarray(vectors)
    size = 1 << (vectors.shape[1] - 1).bit_length()
    turned = np.zeros((len(vectors), size), np.float32)
    turned[:, : vectors.shape[1]] = vectors * signs(0, "rabitq", vectors.shape[1])
    half = 1
    while half < size:
        pairs = turned.reshape(len(vectors), -1, 2, half)
        pairs[:] = np.stack([pairs[:, :, 0] + pairs[:, :, 1], pairs[:, :, 0] - pairs[:, :, 1]], 2)
        half *= 2
    turned *= np.float32(size**-0.5)
    return turned


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


def write_structures(index: Path, entries: Sequence[ShardEntry], kinds: Sequence[Structure], directory: Path) -> None:
    """Write the structures of a version's shards into its directory; one pass over the shards for each."""
    norms = stored_norms(index, entries)
    order = np.argsort(-norms, kind="stable")
    np.save(directory / ORDER, order)
    np.save(directory / ORDERED_NORMS, norms[order])
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    rows = sampled(index, entries, TRAINING)
    for kind in kinds:
        sample = rotated(kind, rows)
        empty = make_quantiser(kind, sample.shape[1], len(order))
        empty.train(sample)
        write = write_lists if kind == "ivf" else write_pieces
        write(empty, kind, shards(index, entries), place, directory)


def stored_norms(index: Path, entries: Sequence[ShardEntry]) -> Float32:
    """Norms of all rows [n]."""
    return np.concatenate([np.load(shard_dir(index, entry.name) / NORMS) for entry in entries])


def shards(index: Path, entries: Sequence[ShardEntry]) -> Iterator[tuple[int, Float32]]:
    """Number of each shard's first row, and its unit rows."""
    start = 0
    for entry in entries:
        vectors = VectorFile(shard_dir(index, entry.name) / GRADIENTS)
        yield start, vectors.block(0, vectors.rows)
        start += vectors.rows


def sampled(index: Path, entries: Sequence[ShardEntry], count: int) -> Float32:
    """About `count` rows, evenly spaced."""
    step = max(1, sum(entry.rows for entry in entries) // count)
    # A shard's rows are a view of its file's memory, which goes with the file.
    return np.concatenate([rows[::step].copy() for _, rows in shards(index, entries)])


def write_pieces(empty: Any, kind: Structure, stored: Iterator[tuple[int, Float32]], place: Rows, directory: Path) -> None:
    """Codes of all rows in the order of their norms, piece by piece; a row's code is far smaller than the row."""
    codes = np.zeros((len(place), empty.sa_code_size()), np.uint8)
    for start, rows in stored:
        codes[place[start : start + len(rows)]] = empty.sa_encode(rotated(kind, rows))
    for number, (first, stop) in enumerate(pairwise(bounds(np.load(directory / ORDERED_NORMS)))):
        piece = faiss.clone_index(empty)
        piece.add_sa_codes(codes[first:stop])
        faiss.write_index(piece, str(directory / file_name(kind, number)))


def bounds(norms: Float32) -> list[int]:
    """Where pieces of rows in descending order of their norms begin, and where the last one ends."""
    found = [0]
    while found[-1] < len(norms):
        first = found[-1]
        alike = int(np.searchsorted(-norms[first : first + PIECE], -ALIKE * norms[first], side="right"))
        found.append(min(len(norms), first + max(alike, LEAST_PIECE)))
    return found


def write_lists(empty: Any, kind: Structure, stored: Iterator[tuple[int, Float32]], place: Rows, directory: Path) -> None:
    """Inverted lists of all rows, which are numbered by their place."""
    for start, rows in stored:
        empty.add_with_ids(np.ascontiguousarray(rows), place[start : start + len(rows)])
    faiss.write_index(empty, str(directory / file_name(kind, 0)))


@dataclass(frozen=True)
class Piece:
    """Part of a structure: places [start, start + n) of the order, n of them, and the largest norm there."""

    index: Any
    start: int
    largest: float


class Approximate:
    """A structure, open for candidates."""

    def __init__(self, directory: Path, kind: str) -> None:
        """Load it.

        Raises:
            DamageError: FAISS cannot read a file.
        """
        self.kind = kind
        self.order: Rows = np.load(directory / ORDER)
        self.norms: Float32 = np.load(directory / ORDERED_NORMS)
        self._pieces: list[Piece] = []
        starts = bounds(self.norms)[:-1] if kind != "ivf" else [0]
        for number, start in enumerate(starts):
            path = directory / file_name(kind, number)
            try:
                self._pieces.append(Piece(faiss.read_index(str(path)), start, float(self.norms[start])))
            except RuntimeError:
                raise DamageError(f"{path}: damaged, FAISS cannot read it") from None

    def candidates(self, query: Float32, count: int, *, weighted: bool, pool: Executor, threads: int) -> Rows:
        """About `count` rows with the highest inner product with a query [d]; `weighted` by their norms."""
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
            if weighted and len(scores) >= count and piece.largest * length < scores.min():
                break
            # The last norms of a smallest piece may be unlike its first, so all of its rows are weighed.
            found = max(count, LEAST_PIECE) if weighted else count
            products, local = piece.index.search(query[None], min(found, piece.index.ntotal))
            at = local[0][local[0] >= 0] + (0 if self.kind == "ivf" else piece.start)
            mine = products[0][local[0] >= 0] * (self.norms[at] if weighted else 1)
            scores, places = np.concatenate([scores, mine.astype(np.float32)]), np.concatenate([places, at])
            if len(scores) > count:
                best = np.argpartition(-scores, count)[:count]
                scores, places = scores[best], places[best]
        return scores, places


Transform = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def measure_recall(
    index: Path,
    entries: Sequence[ShardEntry],
    kinds: Sequence[Structure],
    directory: Path,
    transforms: Mapping[str, Transform],
) -> dict[str, float]:
    """Recall@10 by "structure/method", as the mean over stored rows asked about; a query is no hit of itself.

    Args:
        index: the index.
        entries: its shards.
        kinds: structures to measure.
        directory: where they lie.
        transforms: for each method the transform of query gradients [q, d]; "grad-cos" ranks by unit vectors.
    """
    norms = stored_norms(index, entries)
    asked = np.unique(np.linspace(0, len(norms) - 1, QUERIES).astype(np.int64))
    stored = np.concatenate([rows[asked[(asked >= at) & (asked < at + len(rows))] - at] for at, rows in shards(index, entries)])
    recall: dict[str, float] = {}
    cores = len(os.sched_getaffinity(0))
    pool = ThreadPoolExecutor(cores)
    structures = {kind: Approximate(directory, kind) for kind in kinds}
    for method, transform in transforms.items():
        weighted = method != "grad-cos"
        vectors = transform(stored.astype(np.float64) * norms[asked, None]).astype(np.float32)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        exact = exact_best(index, entries, vectors, norms if weighted else np.ones_like(norms), asked)
        for kind, structure in structures.items():
            if kind == "ivf" and weighted:
                continue
            shares = []
            for query, best in zip(vectors, exact, strict=True):
                found = structure.candidates(query, wanted(kind, len(best) + 1), weighted=weighted, pool=pool, threads=cores)
                shares.append(len(np.intersect1d(best, found)) / max(1, len(best)))
            recall[f"{kind}/{method}"] = float(np.mean(shares))
    pool.shutdown()
    return recall


def wanted(kind: str, k: int) -> int:
    """Candidates for k hits."""
    return EXPANSION[kind] * k


def exact_best(index: Path, entries: Sequence[ShardEntry], vectors: Float32, norms: Float32, asked: Rows) -> list[Rows]:
    """The best rows of each query [q, d] but the query's own, by a plain product."""
    best = [(np.zeros(0, np.float32), np.zeros(0, np.int64)) for _ in asked]
    for at, rows in shards(index, entries):
        scores = (rows @ vectors.T) * norms[at : at + len(rows), None]
        for number, own in enumerate(asked):
            if at <= own < at + len(rows):
                scores[own - at, number] = -np.inf
            known, places = best[number]
            known, places = np.concatenate([known, scores[:, number]]), np.concatenate([places, at + np.arange(len(rows))])
            top = np.argsort(-known, kind="stable")[: min(BEST, len(norms) - 1)]
            best[number] = known[top], places[top]
    return [places for _, places in best]
