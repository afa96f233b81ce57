"""The one check of a file, and everything that is made of it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from attridex.indexer.errors import DamageError, InputError
from attridex.indexer.index.directory import read_current, read_manifest
from attridex.indexer.index.layout import CURRENT, CURRENT_COPY, LOCK, MANIFEST, MANIFEST_COPY, SIDECAR, shard_dir, version_dir
from attridex.indexer.index.records import file_entry, read_sealed, seal
from attridex.indexer.index.verify import check_file, check_shard, check_version, verify
from attridex.indexer.lifecycle.migration import migrate


def damaged(path: Path, rng: np.random.Generator) -> bytes:
    content = bytearray(path.read_bytes())
    content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
    return bytes(content)


def flipped(index: Path) -> Iterator[Path]:
    """Each file in turn with one bit flipped."""
    rng = np.random.default_rng(0)
    for path in sorted(index.rglob("*")):
        if path.is_file() and path.name != LOCK:
            before = path.read_bytes()
            path.write_bytes(damaged(path, rng))
            yield path
            path.write_bytes(before)


def test_a_file_is_what_was_written_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    entry = file_entry(path)
    check_file(path, entry)
    for content, said in ((b"conten", "6 bytes, 7 were written"), (b"contenT", "SHA-256"), (b"content ", "8 bytes, 7")):
        path.write_bytes(content)
        with pytest.raises(DamageError, match=said):
            check_file(path, entry)
    path.unlink()
    with pytest.raises(DamageError, match="missing"):
        check_file(path, entry)


def test_a_flipped_bit_in_any_file_is_found_and_named(old: Path) -> None:
    assert [problem for _, problem in verify(old) if problem] == []
    for path in flipped(old):
        problems = [problem for _, problem in verify(old) if problem]
        assert any(str(path) in problem for problem in problems), path


def test_a_version_with_a_flipped_bit_is_refused(old: Path) -> None:
    manifest = read_manifest(old, "2")
    check_version(old, manifest)
    for path in flipped(old):
        own = path.parent.name == "2" and path.name != MANIFEST
        if own or path.parent.parent.name == "shards":
            with pytest.raises(DamageError, match=path.name):
                check_version(old, manifest)


def test_a_sealed_sidecar_that_is_not_the_listed_one_is_refused(old: Path) -> None:
    manifest = read_manifest(old, read_current(old))
    name = manifest.shards[1].name
    path = shard_dir(old, name) / SIDECAR
    path.write_bytes(seal({**read_sealed(path), "tokens": 1}))
    assert check_shard(old, name).tokens == 1
    with pytest.raises(DamageError, match="not the one that the manifest lists"):
        check_shard(old, name, manifest.shards[1].sha256)
    with pytest.raises(DamageError, match="not the one that the manifest lists"):
        check_version(old, manifest)
    assert [found.path for found in verify(old) if found.problem] == [path]


def test_files_that_are_too_many_or_missing_are_found(old: Path) -> None:
    (old / "versions" / "1" / "more.npy").touch()
    lost = next(old.glob("shards/*/norms.npy"))
    lost.unlink()
    problems = {found.path.name: found.problem for found in verify(old) if found.problem}
    assert problems.keys() == {"more.npy", "norms.npy"}
    assert "not a file of this index" in str(problems["more.npy"])


def test_what_a_command_is_writing_or_left_half_written_is_no_fault(old: Path) -> None:
    (old / ".CURRENT.1.tmp").touch()
    (old / "shards" / ".0000000000-0000000010.1.tmp").mkdir()
    (old / "shards" / ".0000000000-0000000010.1.tmp" / "norms.npy").touch()
    assert [found for found in verify(old) if found.problem] == []
    (next((old / "shards").glob("0*")) / ".norms.npy.1.tmp").touch()  # where nothing is written, and nothing removed
    assert [found.path.name for found in verify(old) if found.problem] == [".norms.npy.1.tmp"]


def test_where_no_index_is_there_is_nothing_to_verify(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no attridex index there"):
        list(verify(tmp_path))


def test_a_version_without_its_manifest_is_checked_by_the_copy(old: Path) -> None:
    migrate(old)
    for change in (Path.unlink, Path.mkdir):
        change(version_dir(old, "3") / MANIFEST)
        found = {checked.path.name for checked in verify(old) if checked.problem}
        assert {MANIFEST} <= found <= {CURRENT, CURRENT_COPY, MANIFEST}
    (version_dir(old, "3") / MANIFEST_COPY).unlink()
    assert MANIFEST in {checked.path.name for checked in verify(old) if checked.problem}
