"""What does not belong: files of another index, what killed commands left, and names that somebody else gave."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pyarrow as pa
import pytest

from attridex.client import Client
from attridex.indexer.building.versions import VersionWriter
from attridex.indexer.config import load_config
from attridex.indexer.errors import AttridexError, DamageError
from attridex.indexer.files import replace_file
from attridex.indexer.growth.appending import append
from attridex.indexer.index import directory
from attridex.indexer.index.arrays import read_array, write_array
from attridex.indexer.index.directory import read_sidecar
from attridex.indexer.index.layout import FORMAT, SIDECAR
from attridex.indexer.index.records import file_entries, read_sealed, seal, write_record
from attridex.indexer.index.verify import check_shard
from attridex.indexer.lifecycle.deleting import delete_ids
from attridex.indexer.renewal.building import build
from attridex.indexer.renewal.compaction import compact
from attridex.indexer.renewal.repair import repair
from tests.conftest import SHOWN, records, write_jsonl, write_toml
from tests.indexer.renewal.conftest import files_of, flip, problems

HEADS = ("CURRENT", "CURRENT.copy", "deletes.log", "deletes.copy")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, model_dir: Callable[..., Path]) -> Path:
    """An index of ten records in two shards, of which one is deleted, and of two that were appended; not to be changed."""
    place = tmp_path_factory.mktemp("whole")
    write_jsonl(place / "train.jsonl", records(10))
    sections: dict[str, dict[str, Any]] = {
        "model": {"path": str(model_dir("opt")), "task": "sequence-classification"},
        "corpus": {"files": ["train.jsonl"], "metadata": ["genre"], **SHOWN["sequence-classification"]},
        "neurons": {"enabled": False},
        "index": {"shard_rows": 5},
    }
    build(load_config(write_toml(place / "config.toml", sections)), place / "index", show_progress=False)
    delete_ids(place / "index", ["t1"])
    shutil.copytree(place / "index", place / "begun")
    append(place / "index", [write_jsonl(place / "more.jsonl", records(12)[10:])], show_progress=False)
    return place / "index"


@pytest.fixture
def index(whole: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(whole, tmp_path / "index"))


@pytest.mark.parametrize("name", ["plan.json", "batches/1.json", "batches/1.copy", "batches/2.json", "batches/2.copy"])
def test_a_sealed_plan_of_another_index_is_told_and_replaced_by_the_one_that_the_shards_name(index: Path, name: str) -> None:
    before = (index / name).read_bytes()
    (index / name).write_bytes(seal({**read_sealed(index / name), "corpus": "another"}))
    assert problems(index)
    assert repair(index)
    assert (problems(index), (index / name).read_bytes()) == ([], before)


def test_a_shard_of_the_same_plan_that_is_whole_and_not_the_listed_one_is_signed_again(index: Path) -> None:
    shard = next(index.glob("shards/0000000000-*"))
    before = (shard / SIDECAR).read_bytes()
    norms = read_array(shard / "norms.npy")
    write_array(shard / "norms.npy", norms + 1)  # as another machine may round
    sidecar = read_sidecar(index, shard.name)
    (shard / SIDECAR).unlink()
    again = sidecar.model_copy(update={"files": file_entries(shard, FORMAT)})
    write_record(shard / SIDECAR, again)
    assert check_shard(index, shard.name) == again
    assert problems(index)
    assert repair(index) == [f"shard {shard.name}: 5 instances signed again"]
    assert (problems(index), (shard / SIDECAR).read_bytes()) == ([], before)


def test_a_shard_of_a_batch_whose_columns_are_not_by_name_is_signed_again_to_the_byte(index: Path) -> None:
    shard = index / "shards" / "0000000010-0000000012"
    flip(shard / "norms.npy")
    assert repair(index) == [f"shard {shard.name}: 2 instances signed again"]
    assert problems(index) == []


def test_what_a_killed_repair_left_of_a_compacted_shard_is_told_and_leaves_the_disk(index: Path) -> None:
    shard = next(index.glob("shards/0000000000-*"))
    left = shutil.copytree(shard, index.parent / "left")
    compact(index)
    shutil.copytree(left, shard)
    assert any("not a file of this index" in problem for problem in problems(index))
    assert repair(index) == [f"{shard}: removed (in no version)"]
    assert (problems(index), shard.exists()) == ([], False)


def cut_off(index: Path, whole: Path) -> Path:
    """Take an append back to where its shard was there and its version was not; gives the shard."""
    shutil.rmtree(index / "versions" / "2")
    for name in HEADS:
        shutil.copy(whole.parent / "begun" / name, index / name)
    return index / "shards" / "0000000010-0000000012"


def test_a_damaged_shard_of_an_append_that_was_cut_off_is_removed_and_signed_again_by_the_same_append(
    index: Path, whole: Path
) -> None:
    shard = cut_off(index, whole)
    assert problems(index) == []
    flip(shard / "norms.npy")
    assert problems(index)
    assert repair(index) == [f"{shard}: removed (in no version)"]
    assert problems(index) == []
    assert append(index, [whole.parent / "more.jsonl"], show_progress=False).signed == 2


def test_a_batch_that_was_cut_off_between_its_plan_and_the_copy_of_it_is_no_damage(index: Path, whole: Path) -> None:
    shutil.rmtree(cut_off(index, whole))
    (index / "batches" / "2.json").unlink()
    assert problems(index) == []
    (index / "batches" / "1.json").unlink()
    (index / "batches" / "2.copy").unlink()
    assert problems(index) == []


def test_a_plan_of_a_batch_that_counts_is_missed(index: Path) -> None:
    (index / "batches" / "2.json").unlink()
    assert problems(index)
    assert repair(index)
    assert problems(index) == []


@pytest.mark.parametrize(
    "name", ["versions/²/manifest.json", "versions/2 (copy)/manifest.json", "shards/0-5/x", "batches/².json"]
)
def test_names_that_somebody_else_gave_are_told_and_kept_and_nothing_else_is_harmed(index: Path, name: str) -> None:
    (index / name).parent.mkdir(exist_ok=True)
    (index / name).write_bytes(b"{}")
    assert any(f"{index / name}: " in problem for problem in problems(index))
    delete_ids(index, ["t2"])
    compact(index)
    assert (index / name).exists()
    with Client.local(index) as client:
        assert client.get_index().instances == 10


def test_a_delete_from_an_index_whose_shards_are_lost_is_refused_as_damage(index: Path) -> None:
    shutil.rmtree(index / "shards")
    with pytest.raises(DamageError, match=r"instances.parquet: missing"):
        delete_ids(index, ["t2"])


def test_without_any_log_of_deletes_an_index_that_was_changed_is_not_taken_for_a_new_one(index: Path) -> None:
    for name in HEADS:
        (index / name).unlink()
    with pytest.raises(DamageError, match="what was deleted is not known"):
        repair(index)
    assert len(list(index.glob("versions/*"))) == 2


def test_a_log_of_deletes_of_nested_lists_is_damage(index: Path) -> None:
    (index / "deletes.log").write_bytes(b"[" * 100_000)
    assert [problem for problem in problems(index) if "line 1 is not what was written" in problem]
    assert repair(index)
    assert problems(index) == []


@pytest.mark.parametrize("failing", ["a library", "CURRENT", "CURRENT.copy"])
def test_a_compaction_that_fails_leaves_the_index_as_it_was(index: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    def refuse(path: Path, content: bytes) -> None:
        if path.name == failing:
            raise AttridexError(f"{path}: cannot be written: no space left")
        replace_file(path, content)

    before = {path: path.read_bytes() for path in files_of(index)}
    if failing == "a library":
        monkeypatch.setattr(VersionWriter, "write", Mock(side_effect=pa.ArrowInvalid("no space left")))
    monkeypatch.setattr(directory, "replace_file", refuse)
    with pytest.raises((AttridexError, pa.ArrowInvalid), match="no space left"):
        compact(index)
    assert (problems(index), {path: path.read_bytes() for path in files_of(index)}) == ([], before)
