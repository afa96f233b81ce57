"""A deletion is a new version that shares what does not change, whole or not there."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from attridex.indexer.errors import InputError
from attridex.indexer.index.arrays import read_array
from attridex.indexer.index.deletion import delete_instances
from attridex.indexer.index.directory import list_versions, read_current, read_manifest
from attridex.indexer.index.layout import MANIFEST, TOMBSTONES, version_dir
from attridex.indexer.index.verify import check_version, verify
from tests.indexer.test_files import killed_at_each_write


def test_a_version_without_the_rows_shares_every_other_file(old: Path) -> None:
    before = read_manifest(old, "2")
    gone = read_array(version_dir(old, "2") / TOMBSTONES).tolist()
    assert delete_instances(old, [3, 5, 3, *gone]) == "3"
    after = read_manifest(old, read_current(old))
    assert read_array(version_dir(old, "3") / TOMBSTONES).tolist() == sorted({3, 5, *gone})
    assert (after.version, after.deleted, after.instances) == ("3", len({3, 5, *gone}), before.instances)
    for name in before.files.keys() - {TOMBSTONES}:
        assert (version_dir(old, "3") / name).samefile(version_dir(old, "2") / name)
    unchanged = {"version", "created", "deleted", "files"}
    assert after.model_dump(exclude=unchanged) == before.model_dump(exclude=unchanged)
    assert [problem for _, problem in verify(old) if problem] == []


def test_a_file_system_without_links_gets_copies(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr("os.link", refuse)
    check_version(old, read_manifest(old, delete_instances(old, [1])))


@pytest.mark.parametrize(("rows", "said"), [([-1], "between 0 and 41"), ([42], "between 0 and 41"), (range(42), "every instance")])
def test_rows_that_cannot_go_are_refused(old: Path, rows: list[int], said: str) -> None:
    with pytest.raises(InputError, match=said):
        delete_instances(old, rows)
    assert list_versions(old) == ["1", "2"]


def test_a_kill_between_any_two_writes_leaves_the_old_version_or_the_new_one(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for number, attempt in enumerate(killed_at_each_write(monkeypatch)):
        index = Path(shutil.copytree(old, tmp_path / f"copy-{number}"))
        with attempt:
            delete_instances(index, [4])
        for each in list_versions(index):
            check_version(index, read_manifest(index, each))
        found.append(read_current(index))
        assert delete_instances(index, [6]) == str(len(list_versions(index)))
        assert [problem for _, problem in verify(index) if problem] == []
        gone = read_array(version_dir(index, read_current(index)) / TOMBSTONES)
        assert np.isin(6, gone)
        assert np.isin(4, gone) == (found[-1] == "3")
        assert (version_dir(index, found[-1]) / MANIFEST).exists()
    assert found == sorted(found)
    assert {*found} == {"2", "3"}
