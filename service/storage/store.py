"""The read side of an index: one open version, and the store that swaps versions under readers."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from safetensors.numpy import load_file

from attridex.indexer.curvature.spectrum import Spectrum
from attridex.indexer.errors import DamageError
from attridex.indexer.index.approximate import Approximate
from attridex.indexer.index.layout import (
    ACTIVATIONS,
    ATTRIBUTIONS,
    CATALOG,
    CSC_INDPTR,
    CSC_ROWS,
    CSC_SCORES,
    CSC_WEIGHTS,
    CSR_INDPTR,
    CSR_NEURONS,
    CSR_SCORES,
    CURVATURE,
    GRADIENTS,
    HIDDEN,
    HIDDEN_NORMS,
    NORMS,
    SIDECAR,
    TOMBSTONES,
    TRACIN,
    TRACIN_NORMS,
    Manifest,
    check_file,
    file_hash,
    list_versions,
    read_current,
    read_manifest,
    read_sidecar,
    shard_dir,
    version_dir,
    write_current,
    write_lock,
)
from attridex.indexer.index.lexical import Lexical
from attridex.indexer.index.tables import quoted
from attridex.indexer.index.vectors import Part, VectorFile
from attridex.service.errors import DamagedIndexError, UnknownIndexError, UnknownInstanceError

Rows = NDArray[np.int64]


class IndexVersion:
    """One version of an index, open for reading.

    Attributes:
        manifest: how it was made.
        rows: number of instances n, deleted ones counted.
        alive: False for deleted rows [n].
        ids: instance ids in row order.
    """

    def __init__(self, index: Path, number: str, *, verify: bool) -> None:
        """Open a version; `verify` reads every file once and compares hashes.

        Raises:
            DamagedIndexError: a file is missing or not what was written.
        """
        self._index, self._directory = index, version_dir(index, number)
        try:
            self.manifest: Manifest = read_manifest(index, number)
            if verify:
                check_files(index, self.manifest)
            if (self._directory / f"{CATALOG}.wal").exists():
                raise DamageError(f"{self._directory / CATALOG}: a write-ahead log lies beside it; the version was not closed")
            self.gradients = self._parts(GRADIENTS, NORMS)
            self._con = open_catalog(self._directory / CATALOG)
            self.ids = self._load_ids()
        except (DamageError, duckdb.Error, OSError) as error:
            raise DamagedIndexError(str(error).splitlines()[0]) from error
        self._spectra: dict[str, Spectrum] = {}
        self._structures: dict[str, Approximate] = {}
        self.rows = self.manifest.instances
        if sum(part.vectors.rows for part in self.gradients) != self.rows or len(self.ids) != self.rows:
            raise DamagedIndexError(f"{self._directory}: shards, catalog and manifest do not hold the same number of instances")
        self.alive = np.ones(self.rows, bool)
        self.alive[np.load(self._directory / TOMBSTONES)] = False
        self.live = int(self.alive.sum())

    def close(self) -> None:
        """Let the catalog go."""
        self._con.close()

    def _parts(self, name: str, norms: str | None) -> list[Part]:
        parts, offset = [], 0
        for entry in self.manifest.shards:
            shard = shard_dir(self._index, entry.name)
            vectors = VectorFile(shard / name)
            factors = np.load(shard / norms) if norms else np.ones(vectors.rows, np.float32)
            parts.append(Part(vectors, factors, offset))
            offset += vectors.rows
        return parts

    @cached_property
    def unit_gradients(self) -> list[Part]:
        """Gradients without their norms, for cosine."""
        return [Part(part.vectors, np.ones_like(part.norms), part.offset) for part in self.gradients]

    @cached_property
    def hidden(self) -> list[Part]:
        """States that the head reads, without their norms."""
        return self._parts(HIDDEN, None)

    def state(self, row: int) -> NDArray[np.float32]:
        """The state that the head reads of one instance [h]."""
        state: NDArray[np.float32] = (self.vector(self.hidden, row) * float(self.hidden_norms[row])).astype(np.float32)
        return state

    @cached_property
    def hidden_norms(self) -> NDArray[np.float32]:
        """Norms of the states [n]."""
        return np.concatenate([np.load(shard_dir(self._index, entry.name) / HIDDEN_NORMS) for entry in self.manifest.shards])

    @cached_property
    def activations(self) -> list[Part]:
        """Dense activation signatures."""
        return self._parts(ACTIVATIONS, None)

    @cached_property
    def attributions(self) -> list[Part]:
        """Dense attribution signatures."""
        return self._parts(ATTRIBUTIONS, None)

    @cached_property
    def tracin(self) -> list[Part]:
        """Gradients at the checkpoints, one after the other in each vector."""
        return self._parts(TRACIN, TRACIN_NORMS)

    @cached_property
    def lexical(self) -> Lexical:
        """The BM25 index of the texts."""
        return Lexical(self._directory)

    @cached_property
    def _curvature(self) -> dict[str, NDArray[np.float64]]:
        tensors: dict[str, NDArray[np.float64]] = load_file(self._directory / CURVATURE)
        return tensors

    def approximate(self, kind: str) -> Approximate:
        """A structure for approximate search."""
        if kind not in self._structures:
            self._structures[kind] = Approximate(self._directory, kind)
        return self._structures[kind]

    def spectrum(self, kind: str) -> Spectrum:
        """The eigendecomposition of a curvature."""
        if kind not in self._spectra:
            self._spectra[kind] = Spectrum.read(self._curvature, kind, self.manifest.blocks, self.manifest.gradient_dim)
        return self._spectra[kind]

    @cached_property
    def postings(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
        """CSC arrays (indptr, rows, weights, scores): neuron -> instances."""
        first, second, third, fourth = (self._array(name) for name in (CSC_INDPTR, CSC_ROWS, CSC_WEIGHTS, CSC_SCORES))
        return first, second, third, fourth

    @cached_property
    def kept(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """CSR arrays (indptr, neurons, scores): instance -> kept neurons."""
        first, second, third = (self._array(name) for name in (CSR_INDPTR, CSR_NEURONS, CSR_SCORES))
        return first, second, third

    def _array(self, name: str) -> NDArray[Any]:
        path = self._directory / name
        array: NDArray[Any] = np.load(path, mmap_mode="r") if name.endswith("indptr.npy") else mapped(path)
        return array

    def vector(self, parts: Sequence[Part], row: int) -> NDArray[np.float64]:
        """A stored vector times its norm, in float64."""
        part = next(part for part in reversed(parts) if part.offset <= row)
        local = row - part.offset
        stored: NDArray[np.float64] = part.vectors.block(local, local + 1)[0].astype(np.float64)
        return stored * float(part.norms[local])

    def row_of(self, identity: str) -> int:
        """Row of an instance.

        Raises:
            UnknownInstanceError: no such id, or deleted.
        """
        found = self._con.cursor().execute("SELECT row FROM instances WHERE id = ?", [identity]).fetchall()
        if not found or not self.alive[found[0][0]]:
            raise UnknownInstanceError(
                f"no instance '{identity}' in version {self.manifest.version} of {self._index.name}", "instance_id"
            )
        return int(found[0][0])

    def ids_of(self, rows: Rows) -> list[str]:
        """Ids of rows, in their order."""
        ids: list[str] = self.ids.take(pa.array(rows)).to_pylist()
        return ids

    def fields(self, rows: Sequence[int], columns: Sequence[str]) -> list[dict[str, Any]]:
        """Columns of rows, in the order of the rows."""
        if not columns or not len(rows):
            return [{} for _ in rows]
        names = ", ".join(map(quoted, columns))
        query = f"SELECT row, {names} FROM instances WHERE row = ANY(?)"
        found = self._con.cursor().execute(query, [[int(row) for row in rows]]).fetchall()
        by_row = {values[0]: dict(zip(columns, values[1:], strict=True)) for values in found}
        return [by_row[int(row)] for row in rows]

    def select(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Rows of a query that the planner made."""
        found: list[tuple[Any, ...]] = self._con.cursor().execute(sql, list(parameters)).fetchall()
        return found

    def _load_ids(self) -> pa.Array:
        return self._con.cursor().sql("SELECT id FROM instances ORDER BY row").to_arrow_table().column("id").combine_chunks()


def mapped(path: Path) -> NDArray[Any]:
    """A memory-mapped array; an empty one is loaded."""
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r")
    except ValueError:
        array = np.load(path)
    return array


def open_catalog(path: Path) -> duckdb.DuckDBPyConnection:
    """A catalog that can only be read, by SQL that reaches nothing else."""
    # As configuration, not as SET: a second reader in this process shares the instance, which is locked by then.
    return duckdb.connect(str(path), read_only=True, config={"enable_external_access": "false", "lock_configuration": "true"})


def check_files(index: Path, manifest: Manifest) -> None:
    """Compare every file of a version with what was written.

    Raises:
        DamageError: one differs.
    """
    for name, entry in manifest.files.items():
        check_file(version_dir(index, manifest.version) / name, entry)
    for shard in manifest.shards:
        directory = shard_dir(index, shard.name)
        sidecar = read_sidecar(index, shard.name)
        if file_hash(directory / SIDECAR) != shard.sha256:
            raise DamageError(f"{directory / SIDECAR}: not the one that the manifest lists; run the same `attridex build` again")
        for name, entry in sidecar.files.items():
            check_file(directory / name, entry)


class Lease:
    """A version with the number of its readers; it closes when the last one leaves after a swap."""

    def __init__(self, version: IndexVersion) -> None:
        """No reader yet."""
        self.version = version
        self.readers = 0
        self.retired = False


class Store:
    """An index directory being served: readers hold the version that they began with while another takes its place."""

    def __init__(self, index: Path, *, verify: bool = True) -> None:
        """Open the current version."""
        self.index = index
        self._verify = verify
        self._lock = threading.Lock()
        self._lease = Lease(IndexVersion(index, read_current(index), verify=verify))

    @contextmanager
    def version(self) -> Iterator[IndexVersion]:
        """The served version, open until the block ends."""
        with self._lock:
            lease = self._lease
            lease.readers += 1
        try:
            yield lease.version
        finally:
            with self._lock:
                lease.readers -= 1
                done = lease.retired and lease.readers == 0
            if done:
                lease.version.close()

    def reload(self) -> str:
        """Serve the version that CURRENT names; queries under way finish on theirs."""
        number = read_current(self.index)
        with self._lock:
            if number == self._lease.version.manifest.version:
                return number
        fresh = Lease(IndexVersion(self.index, number, verify=self._verify))
        with self._lock:
            old, self._lease = self._lease, fresh
            old.retired = True
            idle = old.readers == 0
        if idle:
            old.version.close()
        return number

    def versions(self) -> list[Manifest]:
        """Manifests of the versions on disk, oldest first."""
        return [read_manifest(self.index, number) for number in list_versions(self.index)]

    def activate(self, number: str) -> str:
        """Make a version the current one and serve it."""
        known = list_versions(self.index)
        if number not in known:
            raise UnknownIndexError(f"no version '{number}' of {self.index.name}; there are {', '.join(known)}", "version")
        with write_lock(self.index):
            write_current(self.index, number)
        return self.reload()

    def close(self) -> None:
        """Close the served version."""
        self._lease.version.close()
