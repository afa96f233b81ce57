"""Files that an attacker crafted, under whole hashes: one line, no code run, and no more memory than the file is large."""

import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import faiss
import numpy as np
import pytest

from attridex.indexer.errors import AttridexError
from attridex.service.search.postings import kept_neurons, lists_of
from attridex.service.storage.version import IndexVersion
from tests.service.storage.made import VERSION, resealed

RAN: list[str] = []
SHARD, OWN = Path("shards/0000000016-0000000032"), Path("versions") / VERSION
HUGE = 10**11


class Boom:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> Any:
        """Append to a list of this module."""
        return RAN.append, ("ran",)


def header(shape: str, kind: str = "<f4", more: bytes = b"") -> Callable[[Path], Any]:
    """A .npy file that says what it likes of its content."""
    said = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return lambda path: path.write_bytes(b"\x93NUMPY\x01\x00v\x00" + said + more)


def field(at: int, form: str, value: int) -> Callable[[Path], Any]:
    """A file with a number of its header changed."""

    def write(path: Path) -> None:
        content = bytearray(path.read_bytes())
        struct.pack_into(form, content, at, value)
        path.write_bytes(content)

    return write


def faiss_index(make: Callable[[], Any]) -> Callable[[Path], Any]:
    """Another index of FAISS's."""
    return lambda path: faiss.write_index(make(), str(path))


def filled(index: Any) -> Any:
    index.add(np.ones((16, index.d), np.float32))
    return index


def sql(*statements: str) -> Callable[[Path], Any]:
    """A catalog, changed."""

    def write(path: Path) -> None:
        with duckdb.connect(str(path)) as connection:
            for statement in statements:
                connection.execute(statement)

    return write


def selecting(columns: str) -> Callable[[Path], Any]:
    """A catalog with other columns of the instances."""
    made = f"CREATE TABLE other AS SELECT {columns} FROM instances"
    return sql(made, "DROP TABLE instances", "ALTER TABLE other RENAME TO instances")


ARRAYS: dict[str, Callable[[Path], Any]] = {
    "objects": lambda path: np.save(path, np.array([Boom()], dtype=object), allow_pickle=True),
    "a pickle": lambda path: np.array([Boom()], dtype=object).dump(path),
    "a huge shape": header(f"({HUGE},)"),
    "a product that wraps": header(f"({2**62}, 4)"),
    "a negative shape": header("(-1,)"),
    "two negative ones": header("(-2, -2)", more=bytes(16)),
    "huge elements": header("(0,)", "|V2147483647"),
    "texts": header("(1,)", "<U4", bytes(16)),
    "code for a shape": header("(__import__('os').getpid(),)"),
    "nesting": header("(" * 40 + "1" + ")" * 40),
    "nothing": lambda path: path.write_bytes(b""),
}
OTHERS: dict[str, tuple[Path, Callable[[Path], Any]]] = {
    "vectors: other rows": (SHARD / "gradients.faiss", field(8, "<q", 17)),
    "vectors: huge rows": (SHARD / "gradients.faiss", field(8, "<q", HUGE)),
    "vectors: negative rows": (SHARD / "gradients.faiss", field(8, "<q", -1)),
    "vectors: huge dimension": (SHARD / "gradients.faiss", field(4, "<i", 2**31 - 1)),
    "vectors: huge content": (SHARD / "gradients.faiss", field(37, "<Q", 2**38)),
    "vectors: another dimension": (SHARD / "gradients.faiss", faiss_index(lambda: filled(faiss.IndexFlatIP(7)))),
    "vectors: another kind": (SHARD / "gradients.faiss", faiss_index(lambda: filled(faiss.IndexHNSWFlat(24, 4)))),
    "vectors: another metric": (SHARD / "gradients.faiss", faiss_index(lambda: filled(faiss.IndexFlatL2(24)))),
    "vectors: bfloat16": (
        SHARD / "gradients.faiss", faiss_index(lambda: filled(faiss.IndexScalarQuantizer(24, faiss.ScalarQuantizer.QT_bf16))),
    ),
    "vectors: no FAISS": (SHARD / "gradients.faiss", lambda path: path.write_bytes(b"IxFI")),
    "catalog: none": (OWN / "catalog.duckdb", lambda path: path.write_bytes(bytes(8192))),
    "catalog: a view": (
        OWN / "catalog.duckdb", sql("CREATE VIEW more AS SELECT * FROM range(10)"),
    ),
    "catalog: a column less": (OWN / "catalog.duckdb", selecting("* EXCLUDE (premise)")),
    "catalog: another type": (OWN / "catalog.duckdb", selecting("* REPLACE (loss::VARCHAR AS loss)")),
    "catalog: many rows": (
        OWN / "catalog.duckdb",
        sql("DROP TABLE instances", "CREATE TABLE instances AS SELECT 0::BIGINT AS row, 'x' AS id FROM range(3000000)"),
    ),
}  # fmt: skip
LATER: dict[str, tuple[Path, Callable[[Path], Any], Callable[[IndexVersion], Any]]] = {
    "tensors: huge": (
        OWN / "curvature.safetensors",
        lambda path: path.write_bytes(struct.pack("<Q", 61) + b'{"a":{"dtype":"F64","shape":[99999999],"data_offsets":[0,8]}}  '),
        lambda version: version.spectrum("hessian"),
    ),
    "tensors: a huge header": (
        OWN / "curvature.safetensors", lambda path: path.write_bytes(struct.pack("<Q", 2**60)),
        lambda version: version.spectrum("hessian"),
    ),
    "lists that go back": (
        OWN / "csr_indptr.npy", lambda path: np.save(path, np.load(path)[::-1]), lambda version: version.kept,
    ),
    "lists that end elsewhere": (
        OWN / "csc_indptr.npy", lambda path: np.save(path, np.load(path) * 2), lambda version: version.postings,
    ),
    "lists of other rows": (
        OWN / "csc_rows.npy", lambda path: np.save(path, np.load(path) + 1000),
        lambda version: lists_of(version, range(len(version.postings[0]) - 1)),
    ),
    "lists of other neurons": (
        OWN / "csr_neurons.npy", lambda path: np.save(path, np.load(path) - 1000), lambda version: kept_neurons(version, 0),
    ),
    "words of other rows": (
        OWN / "bm25_indices.npy", lambda path: np.save(path, np.load(path) + 1000), lambda version: version.lexical,
    ),
    "words: a number of rows": (
        OWN / "bm25_params.json", lambda path: path.write_text(path.read_text().replace('"num_docs": 42', f'"num_docs": {HUGE}')),
        lambda version: version.lexical,
    ),
    "words: no JSON": (OWN / "bm25_vocab.json", lambda path: path.write_text("[" * 9999), lambda version: version.lexical),
    "a structure of another kind": (
        OWN / "approximate_sq8_0000.faiss", faiss_index(lambda: filled(faiss.IndexHNSWFlat(24, 4))),
        lambda version: version.approximate("sq8"),
    ),
    "a structure: huge content": (
        OWN / "approximate_rabitq_0000.faiss", field(53, "<Q", 2**38), lambda version: version.approximate("rabitq"),
    ),
    "an order of other rows": (
        OWN / "approximate_rows.npy", lambda path: np.save(path, np.load(path) + 1), lambda version: version.approximate("sq8"),
    ),
}  # fmt: skip


def refused(index: Path, look: Callable[[IndexVersion], Any] = lambda _: None) -> None:
    """Open an index and look at it: that is refused in one line, costs little memory, and runs nothing."""
    resealed(index)
    tracemalloc.start()
    try:
        with pytest.raises(AttridexError) as raised:
            look(IndexVersion(index, VERSION, verify=True))
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
    assert "\n" not in str(raised.value)
    assert RAN == []


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays(kind: str, old: Path) -> None:
    ARRAYS[kind](old / OWN / "tombstones.npy")
    refused(old)


@pytest.mark.parametrize("kind", OTHERS)
def test_vectors_and_catalogs(kind: str, old: Path) -> None:
    path, write = OTHERS[kind]
    write(old / path)
    refused(old)


@pytest.mark.parametrize("kind", LATER)
def test_what_is_read_at_the_first_question(kind: str, old: Path) -> None:
    path, write, look = LATER[kind]
    write(old / path)
    refused(old, look)


def test_what_is_only_resealed_is_opened(old: Path) -> None:
    resealed(old)
    version = IndexVersion(old, VERSION, verify=True)
    for _, _, look in LATER.values():
        look(version)
    version.close()
