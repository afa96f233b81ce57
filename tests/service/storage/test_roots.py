"""Nothing that an index names, by a link or in its records, leads out of it, or out of the roots of a server."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attridex.indexer.errors import AttridexError, InputError
from attridex.indexer.index.directory import write_lock
from attridex.indexer.index.verify import verify
from attridex.service.edge.server import open_index
from attridex.service.storage.roots import Roots
from attridex.service.storage.store import Store
from tests.service.storage.made import resealed

SHARD = "shards/0000000016-0000000032"


def moved_out(path: Path, to: Path) -> None:
    """Put a file or directory elsewhere, and a link in its place."""
    shutil.move(path, to)
    path.symlink_to(to)


LINKS: dict[str, Callable[[Path, Path], Any]] = {
    "a shard": lambda index, out: moved_out(index / SHARD, out),
    "all shards": lambda index, out: moved_out(index / "shards", out),
    "CURRENT": lambda index, out: moved_out(index / "CURRENT", out),
    "a file of a shard": lambda index, out: moved_out(index / SHARD / "norms.npy", out),
    "a file of a version": lambda index, out: moved_out(index / "versions/2/catalog.duckdb", out),
    "a link that leads nowhere": lambda index, out: (index / "plan").symlink_to(out),
    "a pipe": lambda index, _: os.mkfifo(index / "versions/2/more"),
}


@pytest.mark.parametrize("kind", LINKS)
def test_what_leads_out_of_an_index_is_refused_by_readers_writers_and_verify(kind: str, old: Path, tmp_path: Path) -> None:
    LINKS[kind](old, tmp_path / "out")
    words = "neither a file nor a directory" if kind == "a pipe" else "a link to .*, out of .*; put the file itself there"
    with pytest.raises(InputError, match=words) as raised:
        Store(old)
    assert "\n" not in str(raised.value)
    with pytest.raises(InputError, match=words), write_lock(old):
        raise AssertionError
    assert any(checked.path == old and checked.problem for checked in verify(old))


def test_links_within_an_index_and_an_index_that_is_one_are_followed(old: Path, tmp_path: Path) -> None:
    moved_out(old / SHARD, old / "elsewhere")
    (tmp_path / "link").symlink_to(old)
    Store(tmp_path / "link").close()


NAMES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a shard above": lambda data: data["shards"][0].update(name="../../outside"),
    "a shard anywhere": lambda data: data["shards"][0].update(name="/etc"),
    "no name": lambda data: data["shards"][0].update(name=""),
    "a file above": lambda data: data["files"].update({"../../../secret.txt": data["files"]["tombstones.npy"]}),
    "a file of two lines": lambda data: data["files"].update({"a\nb": data["files"]["tombstones.npy"]}),
    "a version": lambda data: data.update(version="../2"),
    "another version": lambda data: data.update(version="7"),
    "an unknown key": lambda data: data.update(evil=1),
    "a negative count": lambda data: data["shards"][0].update(rows=-1),
    "many instances": lambda data: data.update(instances=10**12),
    "many rows": lambda data: (data.update(instances=10**12), data["shards"][0].update(rows=10**12)),
    "no shards": lambda data: data.update(shards=[]),
}


@pytest.mark.parametrize("kind", NAMES)
def test_records_that_lead_elsewhere_are_refused_in_one_line(kind: str, old: Path) -> None:
    resealed(old, NAMES[kind])
    with pytest.raises(AttridexError, match=r"not a record that this attridex knows|damaged|same number of inst") as raised:
        Store(old)
    assert "\n" not in str(raised.value)


def named(old: Path, place: Path, **more: Any) -> None:
    """Have the index name a model below a place."""
    resealed(
        old, lambda data: data["config"]["model"].update(path=str(place / "model"), checkpoints=[], checkpoint_rates=[], **more)
    )


def corpus_at(old: Path, place: Path) -> None:
    resealed(old, lambda data: data["config"]["corpus"].update(files=[str(place / "train.jsonl")]))


def test_with_roots_everything_that_is_named_lies_in_one_of_them(old: Path, tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for place in (inside, outside):
        (place / "model").mkdir(parents=True)
        (place / "model" / "config.json").touch()
    corpus_at(old, inside)
    named(old, inside)
    Store(old, roots=Roots([tmp_path])).close()
    Store(old, roots=Roots([old, inside])).close()
    with pytest.raises(InputError, match=r"the index: .*: outside .*inside \(--root\)"):
        Store(old, roots=Roots([inside]))
    roots = Roots([old, inside])
    named(old, outside)
    with pytest.raises(InputError, match=r"model\.path: .*: outside .* \(--root\); move it, or give its root too"):
        Store(old, roots=roots)
    for more in ({"adapter": str(outside / "model")}, {"checkpoints": [str(inside / "model"), str(inside / "../outside/model")]}):
        resealed(old, lambda data, more=more: data["config"]["model"].update({"path": str(inside / "model"), **more}))  # type: ignore[misc]
        with pytest.raises(InputError, match=r"model\.(adapter|checkpoints): .*: outside"):
            Store(old, roots=roots)
    named(old, inside, adapter=None)
    resealed(old, lambda data: data["config"]["model"].update(path="attacker/model"))
    with pytest.raises(
        InputError, match=r"model\.path: attacker/model: no directory here; with --root nothing is taken from the Hub"
    ):
        Store(old, roots=roots)
    named(old, inside)
    (inside / "model" / "weights.bin").symlink_to(outside / "model" / "config.json")
    with pytest.raises(InputError, match=r"weights\.bin: a link to"):
        Store(old, roots=roots)
    (inside / "model" / "weights.bin").unlink()
    corpus_at(old, outside)
    with pytest.raises(InputError, match=r"corpus\.files: .*: outside"):
        Store(old, roots=roots)
    with pytest.raises(InputError, match=r"--root .*none: no such directory"):
        Roots([tmp_path / "none"])


def test_code_beside_a_model_runs_only_where_the_server_says_so(old: Path) -> None:
    resealed(old, lambda data: data["config"]["model"].update(trust_remote_code=True))
    with pytest.raises(InputError, match=r"Python code of its own .*--trust-remote-code, or without the model"):
        open_index(old, "old", own_code=False)
    open_index(old, "old", model=False, own_code=False).close()
