"""The index directory: names, sealed JSON, checksums, and writes that a reader never sees half done.

INDEX/plan.json                  what every range of this index is built from
INDEX/CURRENT                    "<version> <sha256 of its manifest>"; swapped with os.replace
INDEX/shards/<start>-<stop>/     one range of instances; shard.json is written last
INDEX/versions/<v>/              manifest.json (last), catalog, postings, curvature, tombstones
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from attridex.indexer.errors import AttridexError, BusyError, DamageError, InputError

FORMAT = 2
CURRENT = "CURRENT"
PLAN = "plan.json"
SHARDS = "shards"
VERSIONS = "versions"
SIDECAR = "shard.json"
MANIFEST = "manifest.json"
LOCK = ".lock"

# Files of a shard.
GRADIENTS, NORMS = "gradients.faiss", "norms.npy"
HIDDEN, HIDDEN_NORMS = "hidden.faiss", "hidden_norms.npy"
ACTIVATIONS, ATTRIBUTIONS = "activations.faiss", "attributions.faiss"
TRAINING_RECORD = "finetune.json"
"""Written beside a model's weights: configuration, seed and figures of its training, or a checkpoint's learning rate."""
NEURONS, INSTANCES = "neurons.parquet", "instances.parquet"
PREDICTIONS = "predictions.npy"
FACTORS = "factors.safetensors"
TRACIN, TRACIN_NORMS = "tracin.faiss", "tracin_norms.npy"

# Files of a version.
BM25 = {
    "data_name": "bm25_data.npy",
    "indices_name": "bm25_indices.npy",
    "indptr_name": "bm25_indptr.npy",
    "vocab_name": "bm25_vocab.json",
    "params_name": "bm25_params.json",
    "nnoc_name": "bm25_nonoccurrence.npy",
}
CATALOG, CURVATURE, TOMBSTONES = "catalog.duckdb", "curvature.safetensors", "tombstones.npy"
# Neuron -> instances (CSC): entries of neuron j are [indptr[j], indptr[j+1]), in ascending row.
CSC_INDPTR, CSC_ROWS, CSC_WEIGHTS, CSC_SCORES = "csc_indptr.npy", "csc_rows.npy", "csc_weights.npy", "csc_scores.npy"
# Instance -> neurons (CSR): entries of row i are [indptr[i], indptr[i+1]), in descending score.
CSR_INDPTR, CSR_NEURONS, CSR_SCORES = "csr_indptr.npy", "csr_neurons.npy", "csr_scores.npy"


class Record(BaseModel):
    """A JSON record of the index; unknown keys are damage or a newer format, so they are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FileEntry(Record):
    """Size and SHA-256 of one file."""

    bytes: int
    sha256: str


class ShardEntry(Record):
    """A shard as the manifest lists it: its directory, its rows, the hash of its sidecar."""

    name: str
    rows: int
    sha256: str


class Sidecar(Record):
    """shard.json: written last, it makes a shard whole."""

    format: int = FORMAT
    plan: str
    start: int
    stop: int
    rows: int
    tokens: int
    truncated: int
    bad: list[dict[str, Any]]
    files: dict[str, FileEntry]


class Block(Record):
    """A layer's part [start, stop) of a gradient vector: [rows, columns] numbers, 1 row where they have no such form."""

    name: str
    start: int
    stop: int
    rows: int
    columns: int


class ModelFacts(Record):
    """What the index knows of its model."""

    path: str
    hash: str
    tokenizer_hash: str
    family: str
    labels: list[str]
    layers: int
    units: int
    hidden: int


class Manifest(Record):
    """manifest.json: one version of an index, self-describing."""

    format: int = FORMAT
    version: str
    created: str
    task: str
    instances: int
    deleted: int
    truncated: int
    bad: list[dict[str, Any]]
    config: dict[str, Any]
    model: ModelFacts
    corpus: dict[str, Any]
    gradient_dim: int
    blocks: list[Block]
    metric: str = "inner_product"
    precision: str
    sign: str
    label: str
    curvatures: list[str]
    checkpoints: list[str]
    neurons: bool
    signature_dim: int
    signature_projected: bool
    columns: list[tuple[str, str]]
    shards: list[ShardEntry]
    files: dict[str, FileEntry]
    recall: dict[str, float] = {}
    agreement: dict[str, float] = {}
    libraries: dict[str, str]
    revision: str | None


def dumps(data: Mapping[str, Any]) -> bytes:
    """The one way JSON is written here, so that a file's bytes follow from its content."""
    return json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def seal(data: Mapping[str, Any]) -> bytes:
    """JSON with a `seal`: the SHA-256 of the same JSON without it, so that any flipped bit shows."""
    return dumps({**data, "seal": hashlib.sha256(dumps(data)).hexdigest()})


def unseal(content: bytes, where: Path) -> dict[str, Any]:
    """Read sealed JSON.

    Raises:
        DamageError: a byte differs from what was written.
    """
    try:
        data = json.loads(content)
        del data["seal"]
        whole = seal(data) == content
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise DamageError(f"{where}: damaged (its content does not match its seal); rebuild this part with `attridex build`")
    return dict(data)


def read_sealed(path: Path) -> dict[str, Any]:
    """Read a sealed JSON file."""
    try:
        return unseal(path.read_bytes(), path)
    except FileNotFoundError:
        raise DamageError(f"{path}: missing") from None


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def file_entry(path: Path) -> FileEntry:
    """Size and hash of a file."""
    return FileEntry(bytes=path.stat().st_size, sha256=file_hash(path))


def check_file(path: Path, entry: FileEntry) -> None:
    """Compare a file with what was written.

    Raises:
        DamageError: missing, of another size, or with another content.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise DamageError(f"{path}: missing") from None
    if size != entry.bytes:
        raise DamageError(f"{path}: {size} bytes, {entry.bytes} were written; rebuild this part with `attridex build`")
    if file_hash(path) != entry.sha256:
        raise DamageError(f"{path}: damaged (its SHA-256 is not the one written); rebuild this part with `attridex build`")


def write_synced(path: Path, content: bytes) -> None:
    """Write a file and push it to the disk."""
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def sync(path: Path) -> None:
    """Push a file or directory to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes) -> None:
    """Swap a file's content in one step: a reader sees the old or the new, whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    write_synced(temporary, content)
    os.replace(temporary, path)
    sync(path.parent)


@contextmanager
def publish(directory: Path) -> Iterator[Path]:
    """Fill a temporary directory; it takes its name once the block ends well, and is removed if it fails.

    Raises:
        AttridexError: the disk is full or refuses the write (the path is named).
    """
    temporary = directory.with_name(f".{directory.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for path in temporary.iterdir():
            sync(path)
        sync(temporary)
        if directory.exists():
            shutil.rmtree(directory)
        os.replace(temporary, directory)
        sync(directory.parent)
    except OSError as error:
        raise AttridexError(f"{directory}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def write_lock(index: Path) -> Iterator[None]:
    """Hold the index for writing; the lock goes with the process, however it ends.

    Raises:
        BusyError: another process holds it.
    """
    try:
        index.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(index / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise AttridexError(f"{index}: cannot be written: {error.strerror}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(f"{index}: another process is building this index; wait for it or choose another --out") from None
        for leftover in [*index.glob("*/.*.tmp"), *index.glob(".*.tmp")]:
            shutil.rmtree(leftover, ignore_errors=True)
            with suppress(OSError):
                leftover.unlink(missing_ok=True)
        yield
    finally:
        os.close(descriptor)


def shard_name(start: int, stop: int) -> str:
    """Directory name of a range."""
    return f"{start:010d}-{stop:010d}"


def shard_dir(index: Path, name: str) -> Path:
    """Directory of a shard."""
    return index / SHARDS / name


def version_dir(index: Path, version: str) -> Path:
    """Directory of a version."""
    return index / VERSIONS / version


def read_sidecar(index: Path, name: str) -> Sidecar:
    """The sidecar of a shard; its seal is checked."""
    return Sidecar.model_validate(read_sealed(shard_dir(index, name) / SIDECAR))


def read_manifest(index: Path, version: str) -> Manifest:
    """The manifest of a version; its seal is checked."""
    path = version_dir(index, version) / MANIFEST
    data = read_sealed(path)
    if data.get("format") != FORMAT:
        raise InputError(f"{path}: index format {data.get('format')}, this attridex reads {FORMAT}; build it anew")
    return Manifest.model_validate(data)


def write_current(index: Path, version: str) -> None:
    """Make a version the served one."""
    digest = file_hash(version_dir(index, version) / MANIFEST)
    replace_file(index / CURRENT, f"{version} {digest}\n".encode())


def read_current(index: Path) -> str:
    """The served version.

    Raises:
        InputError: no index there, or one whose build has not finished.
        DamageError: CURRENT does not name a whole version.
    """
    path = index / CURRENT
    try:
        content = path.read_text(encoding="ascii")
    except FileNotFoundError:
        if (index / PLAN).exists():
            raise InputError(f"{index}: the build of this index has not finished; run the same `attridex build` again") from None
        raise InputError(f"{index}: no attridex index there (no {CURRENT} file)") from None
    except (UnicodeDecodeError, NotADirectoryError):
        raise DamageError(f"{path}: damaged") from None
    version, _, digest = content.removesuffix("\n").partition(" ")
    manifest = version_dir(index, version) / MANIFEST
    if content != f"{version} {digest}\n" or not version.isdigit() or not manifest.exists():
        raise DamageError(f"{path}: damaged (it names no version of this index); `attridex versions {index}` lists them")
    if file_hash(manifest) != digest:
        raise DamageError(f"{path} or {manifest}: damaged (they do not belong together)")
    return version


def list_versions(index: Path) -> list[str]:
    """The versions on disk, oldest first."""
    names = [path.parent.name for path in (index / VERSIONS).glob(f"*/{MANIFEST}")]
    return sorted((name for name in names if name.isdigit()), key=int)
