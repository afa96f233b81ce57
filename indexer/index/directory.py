"""The index directory as a whole: who may write, which versions there are, and which one is served."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attridex.indexer.config import Config
from attridex.indexer.errors import AttridexError, BusyError, DamageError, InputError
from attridex.indexer.files import clear_leftovers, file_hash, replace_file
from attridex.indexer.index.layout import CURRENT, FORMAT, LOCK, MANIFEST, PLAN, SIDECAR, SOURCE, VERSIONS, shard_dir, version_dir
from attridex.indexer.index.records import Manifest, Sidecar, parse_record, read_sealed


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
        clear_leftovers(index)
        yield
    finally:
        os.close(descriptor)


def read_sidecar(index: Path, name: str) -> Sidecar:
    """The sidecar of a shard; its seal is checked."""
    path = shard_dir(index, name) / SIDECAR
    return parse_record(Sidecar, read_sealed(path), path)


def read_manifest(index: Path, version: str) -> Manifest:
    """The manifest of a version; its seal is checked."""
    path = version_dir(index, version) / MANIFEST
    data = read_sealed(path)
    if data.get("format") != FORMAT:
        raise InputError(f"{path}: index format {data.get('format')}, this attridex reads {FORMAT}; build it anew")
    manifest = parse_record(Manifest, data, path)
    return manifest.model_copy(update={"config": moved(manifest.config, index / SOURCE)})


def moved(config: Config, source: Path) -> Config:
    """A configuration whose files lie in an index's `source`, seen from where the index lies now."""

    def place(path: str) -> str:
        here = source / Path(path).name
        return str(here.resolve()) if Path(path).parent.name == SOURCE and here.exists() else path

    model, corpus = config.model, config.corpus
    places = {"path": place(model.path), "adapter": model.adapter and place(model.adapter)}
    if (places["path"], places["adapter"]) == (model.path, model.adapter):
        return config
    files = corpus.model_copy(update={"files": list(map(place, corpus.files))})
    return config.model_copy(update={"model": model.model_copy(update=places), "corpus": files})


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


def next_version(index: Path) -> str:
    """The number after the last one on disk."""
    return str(int((list_versions(index) or ["0"])[-1]) + 1)
