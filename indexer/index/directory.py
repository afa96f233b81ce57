"""The index directory as a whole: who may write, which versions there are, and which one is served."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from attridex.indexer.config import Config
from attridex.indexer.errors import DamageError, InputError
from attridex.indexer.files import alone, clear_leftovers, file_hash, replace_file, temporary_beside
from attridex.indexer.held.inside import check_tree
from attridex.indexer.index.deletes import Head, Log, read_log
from attridex.indexer.index.layout import (
    CURRENT,
    CURRENT_COPY,
    DELETES,
    DELETES_COPY,
    FORMAT,
    FORMATS,
    LOCK,
    MANIFEST,
    MANIFEST_COPY,
    PLAN,
    SHARDS,
    SIDECAR,
    SOURCE,
    VERSIONS,
    number_in,
    paths_in,
    shard_dir,
    version_dir,
)
from attridex.indexer.index.records import Manifest, Sidecar, parse_record, read_sealed, write_record


@contextmanager
def write_lock(index: Path) -> Iterator[None]:
    """Hold the index for writing; the lock goes with the process, however it ends.

    Raises:
        BusyError: another process holds it.
        InputError: a link leads out of it.
        AttridexError: it cannot be written.
    """
    with alone(index / LOCK, "writing to this index", named=index):
        check_tree(index, [index.resolve()])
        clear_leftovers(index)
        yield


def read_sidecar(index: Path, name: str) -> Sidecar:
    """The sidecar of a shard; its seal is checked."""
    path = shard_dir(index, name) / SIDECAR
    return parse_record(Sidecar, read_sealed(path), path)


def read_manifest(index: Path, version: str) -> Manifest:
    """The manifest of a version; its seal is checked."""
    path = version_dir(index, version) / MANIFEST
    data = read_sealed(path)
    if data.get("format") not in FORMATS:
        known = " and ".join(map(str, FORMATS))
        raise InputError(f"{path}: index format {data.get('format')}, this attridex reads {known}; build it anew")
    manifest = parse_record(Manifest, data, path)
    if manifest.version != version:
        raise DamageError(f"{path}: damaged (it is of version {manifest.version})")
    return manifest.model_copy(update={"config": moved(manifest.config, index / SOURCE)})


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write a version's manifest, its last file, and from format 3 on before it a copy that mends it."""
    for name in (MANIFEST_COPY, MANIFEST) if manifest.format > 2 else (MANIFEST,):
        write_record(directory / name, manifest)


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


class Current(NamedTuple):
    """What CURRENT says: the served version, the SHA-256 of its manifest, and the log's last line; format 2 has no log."""

    version: str
    manifest: str
    log: Head | None


def write_current(index: Path, version: str, log: Log | None = None) -> None:
    """Make a version the served one, and a log of deletes the one that counts.

    Args:
        index: the index directory.
        version: its number.
        log: is written before; the one that counts already where None.
    """
    if log is not None:
        log.write(index)
    head = log.head if log else served_head(index)
    if head is None and not (index / CURRENT).exists() and any((index / name).exists() for name in (DELETES, DELETES_COPY)):
        raise DamageError(
            f"{index / CURRENT}: missing or damaged, and the index has a log of deletes; `attridex repair` mends it"
        )
    content = current_content(index, version, head)
    for name in (CURRENT_COPY, CURRENT) if head else (CURRENT,):
        replace_file(index / name, content)


def current_content(index: Path, version: str, head: Head | None) -> bytes:
    """What CURRENT holds where a version is served, and a log counts that ends with `head`; format 2 has none."""
    digest = file_hash(version_dir(index, version) / MANIFEST)
    return f"{version} {digest}{f' {head.words}' if head else ''}\n".encode()


def served_head(index: Path) -> Head | None:
    """The last line of the log that counts; None in format 2, and where nothing is served yet."""
    return read_served(index).log if (index / CURRENT).exists() else None


def index_format(index: Path) -> int:
    """Which format an index is written in: the one that it was begun in, or today's."""
    current = parse_current(text_of(index / CURRENT))
    if current is not None:
        return FORMAT if current.log else 2
    if any((index / name).exists() for name in (CURRENT_COPY, DELETES, DELETES_COPY)):
        return FORMAT
    records = [path / name for place, name in ((SHARDS, SIDECAR), (VERSIONS, MANIFEST)) for path in paths_in(index, place)]
    return 2 if 2 in map(format_of, records) else FORMAT


def format_of(path: Path) -> int | None:
    """The format that a record names; None where it is damaged."""
    try:
        return int(read_sealed(path).get("format", 2))
    except (DamageError, OSError):
        return None


def text_of(path: Path) -> str:
    """A small file's content; empty where it cannot be read."""
    try:
        return path.read_bytes().decode("ascii", "replace")
    except OSError:
        return ""


def read_current(index: Path) -> str:
    """The served version; see `read_served` for what it raises."""
    return read_served(index).version


def read_served(index: Path, name: str = CURRENT) -> Current:
    """The served version, and the log that counts.

    Args:
        index: the index directory.
        name: of the file, CURRENT or its copy.

    Raises:
        InputError: no index there, or one whose build has not finished.
        DamageError: the file does not name a whole version.
    """
    path = index / name
    try:
        content = path.read_text(encoding="ascii")
    except FileNotFoundError:
        if list_versions(index):
            raise DamageError(f"{path}: missing; `attridex repair {index}` mends it") from None
        if (index / PLAN).exists():
            raise InputError(f"{index}: the build of this index has not finished; run the same `attridex build` again") from None
        raise InputError(f"{index}: no attridex index there (no {CURRENT} file)") from None
    except (UnicodeDecodeError, OSError):
        raise DamageError(f"{path}: damaged, or cannot be read") from None
    current = parse_current(content)
    if current is None or not (version_dir(index, current.version) / MANIFEST).is_file():
        raise DamageError(f"{path}: damaged (it names no version of this index); `attridex repair {index}` mends it")
    if file_hash(version_dir(index, current.version) / MANIFEST) != current.manifest:
        raise DamageError(f"{path} or {version_dir(index, current.version) / MANIFEST}: damaged (they do not belong together)")
    return latest(index, current) or current


def latest(index: Path, current: Current | None) -> Current | None:
    """What CURRENT says, or its copy where the log there is longer: it was written first, and a delete or update in it counts.

    Of a copy whose version is not whole the log counts alone. A copy with another number before the same last line was never
    written so: it is damaged, and CURRENT is not.
    """
    copy = parse_current(text_of(index / CURRENT_COPY))
    if not (current and current.log and copy and copy.log):
        return current
    if copy.log.seq <= current.log.seq or copy.log.sha256 == current.log.sha256:
        return current
    manifest = version_dir(index, copy.version) / MANIFEST
    whole = manifest.is_file() and file_hash(manifest) == copy.manifest
    return copy if whole else current._replace(log=copy.log)


def parse_current(content: str) -> Current | None:
    """What CURRENT's content says; None where it was never written so."""
    match = re.fullmatch(r"(\d{1,18}) (\S+)(?: (\d{1,18}) ([0-9a-f]{64}))?\n", content, re.ASCII)
    if match is None:
        return None
    version, manifest, seq, line = match.groups()
    return Current(version, manifest, Head(int(seq), line) if line else None)


def read_deletes(index: Path) -> Log | None:
    """The log of deletes as it counts now; None in format 2.

    Raises:
        DamageError: CURRENT, the log or its copy is not what was written.
    """
    named = parse_current(text_of(index / CURRENT))
    current = latest(index, named)
    if named is None or current is None:
        raise DamageError(f"{index / CURRENT}: missing or damaged; `attridex repair {index}` mends it")
    if named.log is None or current.log is None:
        return None
    check_head(index, current.log)
    log = read_log(index, current.log)
    if log.until(named.log.seq).head != named.log:
        raise DamageError(f"{index / CURRENT}: damaged (its log is not the one there); `attridex repair {index}` mends it")
    read_log(index, current.log, DELETES_COPY)
    return log


def check_head(index: Path, head: Head) -> None:
    """Compare what CURRENT says of the log with its copy, where the two name the same last line.

    Raises:
        DamageError: its number is another one, and the log there is the one that the copy names.
    """
    copy = parse_current(text_of(index / CURRENT_COPY))
    if copy and copy.log and copy.log.sha256 == head.sha256 and copy.log != head and is_log(index, copy.log):
        raise DamageError(
            f"{index / CURRENT}: damaged (its copy names the log that is there); `attridex repair {index}` mends it"
        )


def is_log(index: Path, head: Head) -> bool:
    """Whether the log has that line."""
    try:
        return read_log(index, head).head == head
    except (DamageError, InputError):
        return False


@contextmanager
def writing(index: Path) -> Iterator[Current]:
    """Hold a served index of today's format for writing; gives what CURRENT says.

    Raises:
        BusyError: another process holds it.
        InputError: there is no index, or it is of format 2.
    """
    read_served(index)
    with write_lock(index):
        current = read_served(index)
        if current.log is None:
            raise InputError(f"{index}: index format 2 can only be read and built; `attridex migrate {index}` makes it {FORMAT}")
        drop_cut_off(index, current)
        yield current


def is_cut_off(index: Path, number: str, head: Head | None) -> bool:
    """Whether an update was cut off when it had written a version, before the entry counted that hides what the version replaces.

    A version of which no record can be read is none: nobody serves it.

    Args:
        index: the index directory.
        number: of the version.
        head: of the log that counts; None in format 2.
    """
    for name in (MANIFEST, MANIFEST_COPY):
        path = version_dir(index, number) / name
        with suppress(DamageError, InputError):
            manifest = parse_record(Manifest, read_sealed(path), path)
            return head is not None and max((shard.since for shard in manifest.shards), default=0) > head.seq
    return False


def drop_cut_off(index: Path, current: Current) -> None:
    """Remove what updates that were cut off left, but never the served version: the next entry of the log is not theirs."""
    for path in paths_in(index, VERSIONS):
        if path.name != current.version and is_cut_off(index, path.name, current.log):
            shutil.rmtree(path.rename(temporary_beside(path)))


def check_finished(index: Path, number: str, head: Head | None) -> None:
    """Refuse a version whose writing was cut off; see `is_cut_off`.

    Raises:
        InputError: it is one.
    """
    if is_cut_off(index, number, head):
        raise InputError(f"{index}: version {number} never counted, the update that wrote it was cut off; run that update again")


def list_versions(index: Path) -> list[str]:
    """The versions on disk, oldest first."""
    return [path.name for path in paths_in(index, VERSIONS) if (path / MANIFEST).exists()]


def unlisted_shards(index: Path, *, appended: bool = False) -> list[Path]:
    """Shards that no version lists; those behind the last instance, which are being appended, only where asked.

    Raises:
        DamageError: a manifest is not what was written.
    """
    manifests = [read_manifest(index, number) for number in list_versions(index)]
    listed = {entry.name for manifest in manifests for entry in manifest.shards}
    end = max((manifest.corpus.instances for manifest in manifests), default=0)
    found = [path for path in paths_in(index, SHARDS) if path.name not in listed]
    return [path for path in found if appended or number_in(path) < end]


def next_version(index: Path) -> str:
    """The number after the last one on disk."""
    return str(int((list_versions(index) or ["0"])[-1]) + 1)


def now() -> str:
    """The time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
