"""A held file gives what was written or a DamageError, whatever happens to it or at its path."""

import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attridex.indexer.errors import DamageError
from attridex.indexer.held import arrays
from attridex.indexer.held.arrays import PagedArray, mapped
from attridex.indexer.held.files import HeldDirectory, HeldFile, Written
from attridex.indexer.held.private import private_copy
from attridex.indexer.held.sums import BLOCK, file_checksums, sums_of, sums_text

SIZES = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 17]


def written(path: Path, *, blocks: bool = True) -> Written:
    found = file_checksums(path)
    return Written(path.stat().st_size, found.sha256, sums_text(found.blocks) if blocks else "")


@pytest.fixture(params=[True, False], ids=["with sums", "without sums"])
def held(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[bytes], HeldFile]:
    """A held file of some content."""

    def make(content: bytes) -> HeldFile:
        path = tmp_path / "file"
        path.write_bytes(content)
        return HeldFile(path, written(path, blocks=request.param))

    return make


def content_of(size: int) -> bytes:
    return np.random.default_rng(size).bytes(size)


@pytest.mark.parametrize("size", SIZES)
def test_what_was_written_is_read_in_every_way(size: int, held: Callable[[bytes], HeldFile]) -> None:
    content = content_of(size)
    file = held(content)
    file.path.unlink()  # what is held is read, not what lies there
    assert file.read() == content
    stream = file.stream()
    assert stream.read() == content
    stream.seek(size // 2)
    assert (stream.tell(), stream.read(7)) == (size // 2, content[size // 2 : size // 2 + 7])
    stream.seek(-(size // 3), io.SEEK_END)
    assert stream.read() == content[size - size // 3 :]
    with private_copy(file) as copy:
        assert (copy / "file").read_bytes() == content
    assert not copy.exists()
    file.verify()
    file.close()


@pytest.mark.parametrize("at", [0, BLOCK - 1, BLOCK, 3 * BLOCK])
@pytest.mark.parametrize("how", ["flipped", "cut"])
def test_the_block_that_is_not_what_was_written_is_refused_and_the_others_are_read(
    at: int, how: str, held: Callable[[bytes], HeldFile]
) -> None:
    content = content_of(3 * BLOCK + 17)
    file = held(content)
    file.block(0)  # sums are known from now on
    with file.path.open("r+b") as stream:
        if how == "cut":
            stream.truncate(at)
        else:
            stream.seek(at)
            stream.write(bytes([content[at] ^ 1]))
    for number in range(4):
        damaged = number >= at // BLOCK if how == "cut" else number == at // BLOCK
        if damaged:
            with pytest.raises(DamageError, match=f"{file.path}: .* while it is read"):
                file.block(number)
        else:
            assert file.block(number) == content[number * BLOCK : (number + 1) * BLOCK]
    with pytest.raises(DamageError, match="file"):
        file.read()
    with pytest.raises(DamageError, match="file"):
        file.verify()
    assert str(file.path) in file.look()
    file.close()


@pytest.mark.parametrize("what", ["missing", "directory", "pipe", "longer", "shorter"])
def test_what_is_not_the_file_cannot_be_held(tmp_path: Path, what: str) -> None:
    path = tmp_path / "file"
    {
        "missing": lambda: None, "directory": path.mkdir, "pipe": lambda: os.mkfifo(path),
        "longer": lambda: path.write_bytes(bytes(4)), "shorter": lambda: path.write_bytes(bytes(2)),
    }[what]()  # fmt: skip
    with pytest.raises(DamageError, match=f"{path}: ") as raised:
        HeldFile(path, Written(3, hashlib.sha256(bytes(3)).hexdigest()))
    assert "\n" not in str(raised.value)


def test_sums_that_do_not_fit_are_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content_of(BLOCK + 1))
    for text in ("00", "zz", "00000000"):
        assert sums_of(text, BLOCK + 1) is None
        file = HeldFile(path, written(path)._replace(blocks=text))
        assert file.read() == path.read_bytes()
        file.close()


def test_a_look_tells_what_changed_at_the_path_and_nothing_of_what_was_touched(held: Callable[[bytes], HeldFile]) -> None:
    file = held(content_of(100))
    assert file.look() == ""
    os.utime(file.path)
    assert file.look() == ""
    beside = file.path.with_name("beside")
    beside.write_bytes(content_of(100))
    beside.replace(file.path)
    assert file.look() == ""
    beside.write_bytes(bytes(100))
    beside.replace(file.path)
    assert file.look().startswith(f"{file.path}: damaged")
    file.path.unlink()
    assert file.look() == f"{file.path}: missing"
    assert file.read() == content_of(100)
    file.close()


def test_a_directory_gives_the_files_that_were_written(held: Callable[[bytes], HeldFile]) -> None:
    file = held(b"abc")
    directory = HeldDirectory(file.path.parent, {"file": file})
    assert directory / "file" is file
    with pytest.raises(DamageError, match="other: missing"):
        directory / "other"
    file.close()


@pytest.mark.parametrize("kind", [np.int32, np.float32, np.int64])
@pytest.mark.parametrize("size", [0, 1, 3 * BLOCK // 4])
def test_parts_of_a_paged_array_are_those_of_the_array(
    kind: type[Any], size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "CACHED", 2 * BLOCK)
    whole, path = np.arange(size).astype(kind), tmp_path / "a.npy"
    np.save(path, whole)
    file = HeldFile(path, written(path))
    paged = PagedArray(file)
    assert (len(paged), paged.dtype) == (size, whole.dtype)
    parts = [slice(None), slice(0, 0), slice(5, 2), slice(-3, None), slice(size // 2, size), slice(1, 10**9)]
    for part in [*parts, *(slice(at, at + 3) for at in range(0, size, 1 + size // 50))]:
        np.testing.assert_array_equal(paged[part], whole[part])
    np.testing.assert_array_equal(np.asarray(paged), whole)
    np.testing.assert_array_equal(mapped(file), whole)
    if size:
        assert (paged[0], paged[-1]) == (whole[0], whole[-1])
    with pytest.raises(IndexError):
        paged[size]
    with pytest.raises(IndexError):
        paged[::2]
    file.close()


def test_a_part_that_was_read_stays_and_one_that_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.arange(3 * BLOCK // 4))
    paged = PagedArray(file := HeldFile(path, written(path)))
    before = paged[10:20].copy()
    os.truncate(path, BLOCK)
    np.testing.assert_array_equal(paged[10:20], before)
    with pytest.raises(DamageError, match="truncated"):
        paged[-5:]
    file.close()


@pytest.mark.parametrize(
    "array", [np.array([{}], object), np.zeros((2, 2)), np.array(3.0), np.zeros(3, "S3"), "no array"], ids=str
)
def test_what_is_no_plain_array_is_refused(array: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    if isinstance(array, str):
        path.write_text(array)
    else:
        np.save(path, array)
    file = HeldFile(path, written(path))
    with pytest.raises(DamageError, match=f"{path}: not "):
        PagedArray(file)
    file.close()


def test_a_process_that_runs_out_of_descriptors_allows_itself_more(tmp_path: Path) -> None:
    code = f"""
import resource
from pathlib import Path
from attridex.indexer.held.files import HeldFile, Written
path = Path({str(tmp_path / "file")!r})
path.write_bytes(b"abc")
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 300))
held = [HeldFile(path, Written(3, "{hashlib.sha256(b"abc").hexdigest()}")) for _ in range(200)]
assert {{file.read() for file in held}} == {{b"abc"}}
try:
    held += [HeldFile(path, held[0].written) for _ in range(200)]
except Exception as error:
    print(type(error).__name__, error)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == (f"DamageError {tmp_path / 'file'}: Too many open files\n", "")


def test_a_private_copy_that_cannot_be_written_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    path, room = tmp_path / "file", tmp_path / "room"
    path.write_bytes(bytes(100_000))
    room.mkdir()
    code = f"""
import resource
from pathlib import Path
from attridex.indexer.held.files import HeldFile, Written
from attridex.indexer.held.private import private_copy
file = HeldFile(Path({str(path)!r}), Written(100_000, "{hashlib.sha256(bytes(100_000)).hexdigest()}"))
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    with private_copy(file):
        print("copied")
except Exception as error:
    print(type(error).__name__, error)
"""
    environment = {**os.environ, "TMPDIR": str(room)}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert ran.stdout == (
        f"AttridexError a private copy of {path} (1 MiB) cannot be written: File too large; TMPDIR names a place with room\n"
    )
    assert list(room.iterdir()) == []
