"""Which versions an index has, which is served, and who may write."""

from pathlib import Path

import pytest

from attridex.indexer.errors import AttridexError, BusyError, DamageError, InputError
from attridex.indexer.index.directory import list_versions, next_version, read_current, read_manifest, write_current, write_lock
from attridex.indexer.index.layout import CURRENT, MANIFEST, PLAN, version_dir
from attridex.indexer.index.records import read_sealed, seal


def test_versions_are_counted_not_sorted_as_words(tmp_path: Path) -> None:
    for number in ("1", "2", "10", "9", "x"):
        version_dir(tmp_path, number).mkdir(parents=True)
        (version_dir(tmp_path, number) / MANIFEST).touch()
    version_dir(tmp_path, "11").mkdir()  # not whole: it has no manifest
    assert list_versions(tmp_path) == ["1", "2", "9", "10"]
    assert next_version(tmp_path) == "11"
    assert next_version(tmp_path / "none") == "1"


def test_current_is_what_was_made_current(old: Path) -> None:
    for number in ("1", "2", "1"):
        write_current(old, number)
        assert read_current(old) == number


@pytest.mark.parametrize("content", ["", "1", "1 \n", "7 {}\n", "x {}\n", "../1 {}\n", "1 {} \n", "1 {}"])
def test_a_current_that_names_no_version_is_damage(old: Path, content: str) -> None:
    digest = (old / CURRENT).read_text().split()[1]
    (old / CURRENT).write_text(content.format(digest))
    with pytest.raises(DamageError, match="damaged"):
        read_current(old)


def test_a_current_of_another_manifest_is_damage(old: Path) -> None:
    (old / CURRENT).write_text((old / CURRENT).read_text().replace("2 ", "1 "))
    with pytest.raises(DamageError, match="do not belong together"):
        read_current(old)


def test_no_index_and_an_unfinished_one_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no attridex index there"):
        read_current(tmp_path)
    (tmp_path / PLAN).touch()
    with pytest.raises(InputError, match="has not finished"):
        read_current(tmp_path)


def test_another_format_is_refused_before_it_is_read(old: Path) -> None:
    path = version_dir(old, "1") / MANIFEST
    path.write_bytes(seal({**read_sealed(path), "format": 99, "unknown": 1}))
    with pytest.raises(InputError, match="index format 99, this attridex reads 2 and 3"):
        read_manifest(old, "1")


def test_one_writes_at_a_time_and_clears_what_was_left(tmp_path: Path) -> None:
    index = tmp_path / "i"
    (index / "shards" / ".x.1.tmp").mkdir(parents=True)
    (index / ".CURRENT.1.tmp").touch()
    with write_lock(index):
        assert [path.name for path in index.rglob("*.tmp")] == []
        with pytest.raises(BusyError, match=r"i: another process.* is writing to this index; run this again"), write_lock(index):
            pass
    with write_lock(index):
        pass


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AttridexError, match=r"file.*cannot be written"), write_lock(tmp_path / "file"):
        pass
