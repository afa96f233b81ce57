"""Look-ups over synthetic vectors and postings, at the sizes where they count."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from attridex.client.benchmarks.measure import Figure, against, milliseconds, paired, seconds
from attridex.client.benchmarks.measure import figure as figure_of
from attridex.indexer.index.postings import NeuronInstances
from attridex.indexer.index.vectors import Part, VectorFile, unit_rows, write_vectors
from attridex.service.caller import never_cancelled
from attridex.service.search.postings import dcns
from attridex.service.search.scan import Scanner
from attridex.service.search.whole import vector_blocks
from attridex.service.storage.version import IndexVersion
from attridex.v1 import attribution_pb2 as pb
from attridex.v1.rankings import RankBlock
from attridex.v1.rpcs import RANK

ROWS, DIM, SHARD = 65_536, 4096, 4096
BATCH, K = 32, 10
INSTANCES, KEPT, NEURONS = 400_000, 100, 12 * 3072
RANKED = (200, 100_000, 1024)
"""Queries, rows and dimensions of a whole ranking."""
FLAT = (1_000, 10_000, 100_000, 1_000_000)


def random_parts(rows: int, dim: int, precision: str, directory: Path) -> list[Part]:
    """Random vectors with norms over two orders of magnitude, written and read as an index does.

    Args:
        rows: how many.
        dim: of each.
        precision: as they are stored.
        directory: where they are written.
    """
    rng, found = np.random.default_rng(0), []
    for start in range(0, rows, SHARD):
        count = min(SHARD, rows - start)
        units, _ = unit_rows(rng.standard_normal((count, dim), dtype=np.float32))
        norms = (10 ** rng.uniform(-1, 1, count)).astype(np.float32)
        path = directory / "vectors.faiss"
        write_vectors(path, units, precision)
        found.append(Part(VectorFile(path), norms, start))
        path.unlink()
    return found


def scan_vectors(repeats: int) -> Iterator[Figure]:
    """The exact scan: one query against reading the bytes with all cores, a batch against a matrix product."""
    for precision in ("float32", "float16"):
        with tempfile.TemporaryDirectory() as name:
            stored = random_parts(ROWS, DIM, precision, Path(name))
        scanner, read = Scanner(), reader(stored)
        queries = np.random.default_rng(1).standard_normal((BATCH, DIM))
        yield against(
            f"scan, 1 query, {precision}", searcher(scanner, stored, queries[:1]), read,
            "reading the vectors with all cores", target=1.25, repeats=2 * repeats,
        )  # fmt: skip
        matrix = torch.from_numpy(np.concatenate([part.vectors.block(0, part.vectors.rows) for part in stored]))
        columns = torch.from_numpy(queries.astype(np.float32)).T
        yield against(
            f"scan, {BATCH} queries, {precision}", searcher(scanner, stored, queries), partial(torch.matmul, matrix, columns),
            "a float32 matrix product of the same shape, all cores", target=1.5, repeats=repeats,
        )  # fmt: skip
        scanner.close()


def searcher(scanner: Scanner, stored: Sequence[Part], queries: NDArray[np.float64]) -> Callable[[], object]:
    """The k best rows for some queries."""
    return lambda: scanner.top(stored, queries, K, lambda rows: [str(row) for row in rows], never_cancelled)


def rank_whole(repeats: int) -> Iterator[Figure]:
    """Whole rankings: scored, put into messages and taken out of them, against the matrix product alone."""
    with tempfile.TemporaryDirectory() as name:
        stored = random_parts(RANKED[1], RANKED[2], "float16", Path(name))
    scanner, queries = Scanner(), np.random.default_rng(1).standard_normal((RANKED[0], RANKED[2]))
    names, ids = tuple(map(str, range(RANKED[0]))), [f"instance-{row}" for row in range(RANKED[1])]

    def ranked() -> None:
        for block in vector_blocks(scanner, stored, queries, None, "float32", never_cancelled):
            own = tuple([ids[row] for row in block.rows.tolist()])
            sent = RankBlock(names, block.rows, own, block.scores.ravel(), tuple(block.bounds.tolist()))
            RANK.answer.decode(pb.RankInstancesResponse.FromString(RANK.answer.encode(sent).SerializeToString()))

    matrix = torch.from_numpy(np.concatenate([part.vectors.block(0, part.vectors.rows) for part in stored]))
    columns = torch.from_numpy(queries.astype(np.float32)).T
    yield against(
        f"whole ranking, {RANKED[0]} queries x {RANKED[1]:,} rows", ranked, partial(torch.matmul, matrix, columns),
        "a float32 matrix product of the same shape, all cores", target=2.0, repeats=repeats,
    )  # fmt: skip
    scanner.close()


def reader(stored: Sequence[Part]) -> Callable[[], object]:
    """A sum over all bytes, half of the shards a core: as fast as memory can be read."""
    cores = len(os.sched_getaffinity(0))
    pool = ThreadPoolExecutor(cores)

    def some(number: int) -> None:
        for part in stored[number::cores]:
            part.vectors.stored(slice(None)).reshape(-1).view(np.float32).sum()

    return lambda: list(pool.map(some, range(cores)))


class Postings(IndexVersion):
    """What `dcns` needs of an index version, without its files: posting lists of random instances."""

    def __init__(self, instances: int, kept: int, neurons: int, skew: float) -> None:
        """Lists with rows ascending.

        Args:
            instances: how many.
            kept: neurons of an instance, on average.
            neurons: of the model.
            skew: exponent of Zipf's law for how often a neuron is kept; 0 for all alike.
        """
        rng = np.random.default_rng(0)
        share = np.arange(1, neurons + 1) ** -skew
        lengths = np.minimum(instances, share / share.sum() * kept * instances).astype(np.int64)
        lists = [np.sort(rng.choice(instances, length, replace=False, shuffle=False)) for length in lengths]
        rows = np.concatenate(lists).astype(np.int32)
        weights = rng.exponential(size=len(rows)).astype(np.float32)
        self.rows = instances
        self.often = lengths / lengths.sum()
        self.postings = NeuronInstances(np.concatenate([[0], np.cumsum(lengths)]), rows, weights, weights)

    def ids_of(self, rows: NDArray[np.int64]) -> list[str]:
        """Ids of rows."""
        return [str(row) for row in rows]


def search_postings(repeats: int) -> Iterator[Figure]:
    """DCNS over 400,000 instances of 100 neurons: queries of five neurons, against adding their lists up once.

    Neurons that are kept often are asked for often, as by real queries.
    """
    for words, skew in (("all kept equally often", 0.0), ("kept as by Zipf's law", 1.0)):
        stored = Postings(INSTANCES, KEPT, NEURONS, skew)
        rng = np.random.default_rng(2)
        queries = [rng.choice(NEURONS, 5, replace=False, p=stored.often).tolist() for _ in range(20 * repeats)]
        find = partial(dcns, stored)
        times = [seconds(partial(find, query, K, None)) for query in queries]
        floors = [seconds(partial(touch, stored, query)) for query in queries]
        floor = f"{INSTANCES:,} instances x {KEPT} neurons, {words}, 5 a query; beside it, touching their postings once"
        yield milliseconds(f"NA-Instances, {words}", times, floor, target=5.0, floor=floors)


def touch(stored: Postings, neurons: Sequence[int]) -> NDArray[np.float64]:
    """Add the posting lists up."""
    indptr, rows, weights, _ = stored.postings
    totals = np.zeros(stored.rows)
    for neuron in neurons:
        part = slice(int(indptr[neuron]), int(indptr[neuron + 1]))
        totals[rows[part]] += weights[part]
    return totals


def search_flat(repeats: int) -> Iterator[Figure]:
    """Search cost an instance at 1,000,000 rows over that at 10,000 and 100,000: it must not grow."""
    with tempfile.TemporaryDirectory() as name:
        stored = random_parts(FLAT[-1], 256, "float16", Path(name))
    scanner, query = Scanner(), np.random.default_rng(1).standard_normal((1, 256))
    largest = searcher(scanner, stored, query)
    for rows in FLAT[:-1]:
        some = [part for part in stored if part.offset < rows]
        count = sum(part.vectors.rows for part in some)
        pairs = paired(largest, searcher(scanner, some, query), repeats)
        found = [mine / FLAT[-1] / (least / count) for mine, least in pairs]
        words = f"the same an instance at {count:,} rows"
        yield figure_of(f"search, an instance at {FLAT[-1]:,} rows", words, "x floor", 1.1, found, pairs)
    scanner.close()
