"""Stored vectors: one flat FAISS index a shard, read back as blocks of float32 rows."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from attridex.indexer.errors import DamageError
from attridex.indexer.held.files import Source, path_of

Float32 = NDArray[np.float32]
Rows = NDArray[np.int64]
FLOAT32_LIMIT = 1 << 30
"""Bytes of float32 vectors up to which `precision = "auto"` keeps float32."""
HALF = faiss.ScalarQuantizer.QT_fp16
WIDENING = 112
"""float32's exponent bias less float16's."""
FLAT = (b"IxFI", b"IxSQ")
"""Letters with which FAISS's files of flat inner-product indices begin: float32, and scalar quantisers."""
READING = Lock()
"""Held while FAISS reads a file."""
SIGN_AND_FRACTION = np.int32(~0x70001FFF)
"""Bits of a float32 that a float16 moved up by 13 may set: its sign is spread over those between by the shift."""


def resolve_precision(precision: str, rows: int, dim: int) -> str:
    """The element type for a store: "auto" keeps float32 under 1 GiB, else float16."""
    if precision != "auto":
        return precision
    return "float32" if rows * dim * 4 <= FLOAT32_LIMIT else "float16"


def unit_rows(vectors: Float32) -> tuple[Float32, Float32]:
    """Split vectors [n, d] into unit rows and their float32 norms [n]; a zero vector stays zero with norm 0."""
    norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    units = vectors / np.where(norms > 0, norms, 1.0)[:, None]
    return units.astype(np.float32), norms.astype(np.float32)


def flat_index(dim: int, precision: str) -> Any:
    """An empty flat inner-product index of float32 or float16 elements."""
    return faiss.IndexFlatIP(dim) if precision == "float32" else faiss.IndexScalarQuantizer(dim, HALF, faiss.METRIC_INNER_PRODUCT)


def write_vectors(path: Path, vectors: Float32, precision: str) -> None:
    """Write rows [n, d] as a flat inner-product index of float32 or float16 elements.

    Raises:
        OSError: the disk is full or refuses the write.
    """
    index = flat_index(vectors.shape[1], precision)
    index.add(np.ascontiguousarray(vectors, dtype=np.float32))
    write_faiss(index, path)


def write_faiss(index: Any, path: Path) -> None:
    """Write a FAISS index. FAISS does not tell when the last bytes of a file that it opened itself do not fit on the disk.

    Raises:
        OSError: the disk is full or refuses the write.
    """
    refused: list[OSError] = []
    with path.open("wb") as stream:

        def write(content: bytes) -> None:
            try:
                if not refused:
                    stream.write(content)
            except OSError as error:
                refused.append(OSError(error.errno, error.strerror))  # without the traceback, whose frames C++ would not let go

        faiss.write_index(index, faiss.PyCallbackIOWriter(write))  # type: ignore[attr-defined]  # not in the stubs
    if refused:
        raise refused[0]


def read_faiss(source: Source, kinds: Collection[bytes]) -> Any:
    """A FAISS index; a held file is checked block by block as it is read.

    Args:
        source: the file.
        kinds: what it may be, by the four letters with which such files begin: others could lead a search anywhere.

    Raises:
        DamageError: a held file is not what was written, or it is of another kind.
        RuntimeError: FAISS cannot read it.
    """
    stream = source.open("rb") if isinstance(source, Path) else source.stream()
    with stream:
        found = stream.read(4)
    if found not in kinds:
        kind = "not a flat index, or structure, of the kind that was written"
        raise DamageError(f"{path_of(source)}: damaged, FAISS cannot read it ({kind})")
    with bounded(source.stat().st_size if isinstance(source, Path) else source.written.size):
        return _read_faiss(source)


@contextmanager
def bounded(size: int) -> Iterator[None]:
    """Have FAISS, whose limits are global, refuse a file that says it holds more than its size, before it makes room for that."""
    limits = [
        name for name in ("vector_byte", "loop") if hasattr(faiss, f"set_deserialization_{name}_limit")
    ]  # not in older ones
    with READING:
        before = {name: getattr(faiss, f"get_deserialization_{name}_limit")() for name in limits}
        try:
            for name in limits:
                getattr(faiss, f"set_deserialization_{name}_limit")(size)
            yield
        finally:
            for name, limit in before.items():
                getattr(faiss, f"set_deserialization_{name}_limit")(limit)


def _read_faiss(source: Source) -> Any:
    if isinstance(source, Path):
        return faiss.read_index(str(source))
    raised: list[Exception] = []
    stream = source.stream()

    def read(size: int) -> bytes:
        try:
            return stream.read(size)
        except Exception as error:  # C++ stands between: damage, or nobody waits any more
            raised.append(error)
            return b""

    try:
        return faiss.read_index(faiss.PyCallbackIOReader(read))  # type: ignore[attr-defined]  # not in the stubs
    except RuntimeError:
        if raised:
            raise raised[0] from None
        raise


class Memory:
    """The codes of a FAISS index as bytes, which live as long as anyone looks at them."""

    def __init__(self, index: Any) -> None:
        """A view, not a copy."""
        self._index = index
        self.__array_interface__ = faiss.rev_swig_ptr(index.codes.data(), index.codes.size()).__array_interface__


class Vectors(ABC):
    """A shard's vectors, read only.

    Attributes:
        rows: number of vectors n.
        dim: elements a vector d.
        dtype: of the elements as stored, float32 or float16.
        unit: what an element of `widened` counts.
    """

    rows: int
    dim: int
    dtype: np.dtype[Any]

    @property
    def unit(self) -> float:
        """See the class."""
        return 1.0 if self.dtype == np.float32 else 2.0**-WIDENING

    @property
    def precision(self) -> str:
        """Of the elements, as `write_vectors` calls it."""
        return str(self.dtype)

    @abstractmethod
    def stored(self, rows: slice | Rows) -> NDArray[Any]:
        """The given rows as stored [m, d]; a slice has no step."""

    def block(self, start: int, stop: int) -> Float32:
        """Rows [start, stop) as float32; a view where they are in memory and stored so."""
        return np.asarray(self.stored(slice(start, stop)), dtype=np.float32)

    def take(self, rows: Rows) -> Float32:
        """The given rows as float32."""
        return np.asarray(self.stored(rows), dtype=np.float32)

    def widened(self, rows: slice | Rows) -> Float32:
        """The given rows in units of `unit`: float16 bits are moved to where float32 has them, far faster than a cast.

        The exponents' biases differ by 112, so a number comes out 2 ** 112 times smaller; nothing is rounded, not even a
        subnormal number.
        """
        codes = self.stored(rows)
        if codes.dtype == np.float32:
            return codes
        bits = np.left_shift(codes.view(np.int16), 13, dtype=np.int32, casting="unsafe")
        np.bitwise_and(bits, SIGN_AND_FRACTION, out=bits)
        return bits.view(np.float32)

    def products(self, query: Float32, start: int, stop: int) -> Float32:
        """Inner products of float32 rows [start, stop) with a query [d], at the speed of the memory."""
        if query.shape != (self.dim,):  # FAISS would read past its end
            raise DamageError(f"vectors of {self.dim} elements where the query has {len(query)}; the index is damaged")
        block, found = self.stored(slice(start, stop)), np.empty(stop - start, np.float32)
        pointers = map(faiss.swig_ptr, (found, query, block))
        faiss.fvec_inner_products_ny(*pointers, self.dim, len(block))  # type: ignore[attr-defined]  # not in the stubs
        return found


class VectorFile(Vectors):
    """A shard's vectors in memory.

    Attributes:
        codes: the elements as stored, [n, d], a view without a copy.
    """

    def __init__(self, source: Source) -> None:
        """Load the file.

        Raises:
            DamageError: FAISS cannot read it, or it is not a flat index.
        """
        try:
            self._index: Any = read_faiss(source, FLAT)
        except RuntimeError as error:
            reason = str(error).splitlines()[0] if str(error) else "unreadable"
            raise DamageError(f"{path_of(source)}: damaged, FAISS cannot read it ({reason})") from None
        flat = isinstance(self._index, faiss.IndexFlatIP)
        if not flat and not (isinstance(self._index, faiss.IndexScalarQuantizer) and self._index.sq.qtype == HALF):
            raise DamageError(f"{path_of(source)}: not a flat index of float32 or float16 vectors")
        self.rows, self.dim = int(self._index.ntotal), int(self._index.d)
        self.dtype = np.dtype(np.float32 if flat else np.float16)
        if self.rows < 0 or self.dim < 1 or self._index.codes.size() != self.rows * self.dim * self.dtype.itemsize:
            raise DamageError(f"{path_of(source)}: damaged, it holds other than {self.rows} rows of {self.dim} elements")
        self.codes = self._view()

    def _view(self) -> NDArray[Any]:
        if self.rows == 0:
            return np.zeros((0, self.dim), self.dtype)
        codes = np.asarray(Memory(self._index))
        view: NDArray[Any] = codes.view(self.dtype).reshape(self.rows, self.dim)
        view.flags.writeable = False
        return view

    def stored(self, rows: slice | Rows) -> NDArray[Any]:
        """See `Vectors`; of a slice a view."""
        return self.codes[rows]

    def nearest(self, query: Float32, k: int) -> tuple[Float32, Rows]:
        """The k rows with the highest inner products with a query [d], and those, highest first; on the calling thread."""
        faiss.omp_set_num_threads(1)
        products, rows = self._index.search(query[None], min(k, self.rows))
        return products[0], rows[0]


@dataclass(frozen=True)
class Part:
    """A shard's vectors: unit rows, what each is multiplied by, and the number of its first row."""

    vectors: Vectors
    norms: NDArray[np.float32]
    offset: int

    @property
    def rows(self) -> int:
        """How many vectors it has."""
        return self.vectors.rows

    @property
    def dim(self) -> int:
        """Elements of a vector."""
        return self.vectors.dim
