"""Repair mends every kind of damage, or says what it cannot; it never brings a deleted instance back."""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attridex.indexer.config import load_config
from attridex.indexer.errors import DamageError, InputError
from attridex.indexer.index.directory import read_current, read_manifest
from attridex.indexer.index.layout import CURRENT, DELETES, DELETES_COPY, MANIFEST, MANIFEST_COPY
from attridex.indexer.lifecycle.deleting import delete_ids
from attridex.indexer.lifecycle.liveness import read_deleted
from attridex.indexer.renewal.building import build
from attridex.indexer.renewal.compaction import compact
from attridex.indexer.renewal.repair import repair
from tests.indexer.renewal.conftest import DAMAGE, GONE, SECTIONS, copies, files_of, flip, problems

ROUNDS = int(os.environ.get("ATTRIDEX_KILL_ROUNDS", "3"))
"""Rounds of kills at random points; a soak asks for more."""


def gone(index: Path) -> set[int]:
    return read_deleted(index, read_current(index))


@pytest.mark.parametrize("how", DAMAGE)
def test_every_file_is_mended_and_what_is_deleted_stays_deleted(built: Path, tmp_path: Path, how: str) -> None:
    names = [path.relative_to(built) for path in files_of(built)]
    seen: set[str] = set()
    for name, index in zip(names, copies(built, tmp_path / "copy"), strict=False):
        if str(name).startswith("shards/") and name.name in seen:
            continue  # one file of each kind is signed again
        seen.add(name.name)
        DAMAGE[how](index / name)
        assert problems(index), name
        assert repair(index), name
        assert problems(index) == [], name
        assert gone(index) == GONE, name
        assert read_manifest(index, read_current(index)).instances == 12, name


def test_a_build_of_a_damaged_index_mends_it_and_keeps_its_deletes(built: Path, tmp_path: Path, attridex: Any) -> None:
    flip(next(built.glob("shards/*/gradients.faiss")))
    assert attridex("build", tmp_path / "config.toml", "--out", built).code == 0
    assert (problems(built), gone(built)) == ([], GONE)
    assert "nothing to mend" in attridex("repair", built).err


def test_what_cannot_be_mended_is_said_with_a_failing_exit_code(built: Path, tmp_path: Path, attridex: Any) -> None:
    for name in (DELETES, DELETES_COPY):
        flip(built / name)
    ran = attridex("repair", built)
    assert ran.code == 1
    assert "cannot be mended" in ran.err
    assert attridex("build", tmp_path / "config.toml", "--out", built).code == 1


def test_a_shard_whose_corpus_is_gone_is_named(built: Path, tmp_path: Path) -> None:
    flip(next(built.glob("shards/*/gradients.faiss")))
    corpus = tmp_path / "train.jsonl"
    corpus.write_text("".join(corpus.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(DamageError, match=r"shard 0000000000-0000000005 cannot be signed again: .*begun with another corpus"):
        repair(built)


def test_without_any_manifest_the_configuration_is_needed(built: Path, tmp_path: Path) -> None:
    for name in (MANIFEST, MANIFEST_COPY):
        flip(next(built.glob(f"versions/*/{name}")))
    with pytest.raises(DamageError, match="give the configuration"):
        repair(built)
    assert repair(built, load_config(tmp_path / "config.toml"))
    assert (problems(built), gone(built)) == ([], GONE)


def test_where_no_index_is_there_is_nothing_to_repair(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no attridex index there"):
        repair(tmp_path / "none")


OLD = Path(__file__).parents[2] / "fixtures" / "index_5f8e7b1"
MENDED = ["CURRENT", "plan.json", "versions/1/manifest.json", "versions/1/tombstones.npy", "versions/2/csr_scores.npy"]
LOST = ["versions/2/manifest.json", "versions/2/tombstones.npy", "shards/0000000000-0000000016/norms.npy"]


@pytest.mark.parametrize("name", [*MENDED, *LOST])
def test_an_index_of_format_2_is_mended_or_refused_and_never_forgets_its_tombstones(tmp_path: Path, name: str) -> None:
    index = Path(shutil.copytree(OLD, tmp_path / "old"))
    deleted = gone(index)
    flip(index / name)
    if name in MENDED:
        assert repair(index)
        assert (problems(index), gone(index)) == ([], deleted)
    else:
        with pytest.raises(DamageError, match="cannot be"):
            repair(index)
        assert problems(index)


def holding(index: Path, text: bytes) -> list[Path]:
    return [path for path in files_of(index) if text in path.read_bytes()]


def test_after_a_compaction_no_deleted_text_is_left_and_the_rest_answers_as_before(
    project: Callable[..., Path], tmp_path: Path
) -> None:
    config, corpus, index = project(count=12, **SECTIONS), tmp_path / "train.jsonl", tmp_path / "i"
    corpus.write_text(corpus.read_text().replace('"genre": "travel"', '"genre": "zqsecretx"', 1))
    build(load_config(config), index, show_progress=False)
    before = read_manifest(index, read_current(index))
    delete_ids(index, ["t1", *(f"t{row}" for row in range(5, 10))])
    done = compact(index)
    assert (done.version, done.removed, done.held) == ("2", 6, [])
    assert problems(index) == []
    after = read_manifest(index, read_current(index))
    assert (after.instances, len(after.shards), before.instances) == (6, 2, 12)
    assert gone(index) == set()
    assert holding(index, b"zqsecretx") == []
    assert not [path for path in index.glob("shards/*") if path.name not in {entry.name for entry in after.shards}]
    assert compact(index).removed == 0
    for how in DAMAGE:
        DAMAGE[how](next(index.glob("shards/*.1/gradients.faiss")))
        assert repair(index)
        assert (problems(index), gone(index)) == ([], set())
        assert holding(index, b"zqsecretx") == []
        assert read_manifest(index, read_current(index)).instances == 6
    assert build(load_config(config), index, show_progress=False).signed == 0
    assert read_manifest(index, read_current(index)).instances == 6


KILLED = {
    "delete": "from attridex.indexer.lifecycle.deleting import delete_ids as work; work(index, ['t3'])",
    "compact": "from attridex.indexer.renewal.compaction import compact as work; work(index)",
    "repair": "from attridex.indexer.renewal.repair import repair as work; work(index)",
}


@pytest.mark.parametrize("what", KILLED)
def test_a_kill_at_a_random_point_loses_neither_rows_nor_deletes(built: Path, tmp_path: Path, what: str) -> None:
    code = f"import sys, pathlib; index = pathlib.Path(sys.argv[1]); print(1, flush=True); {KILLED[what]}; print(2, flush=True)"
    chance = random.Random(0)
    for number, index in zip(range(ROUNDS), copies(built, tmp_path / "copy"), strict=False):
        if what == "repair":
            flip(next(index.glob("versions/*/csr_scores.npy")))
        process = subprocess.Popen([sys.executable, "-c", code, str(index)], stdout=subprocess.PIPE, text=True)
        assert process.stdout
        assert process.stdout.readline() == "1\n"
        try:
            process.wait(chance.random() * (2 if what == "delete" else 6))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        acknowledged = process.communicate()[0] == "2\n"
        repair(index)
        assert problems(index) == [], number
        manifest = read_manifest(index, read_current(index))
        hidden = len(gone(index))
        live = manifest.instances - hidden
        wanted = {9} if what == "delete" and acknowledged else {9, 10} if what == "delete" else {10}
        assert live in wanted, (number, manifest.instances, hidden)


def test_the_commands_compact_and_prune(built: Path, attridex: Any) -> None:
    assert attridex("compact", built, "--json").lines == [{"index": str(built), "version": "2", "removed": 2, "held": []}]
    assert "0 versions removed" in attridex("prune", built).err
    assert not (built / "versions" / "1").exists()
    assert (built / CURRENT).read_text().startswith("2 ")
