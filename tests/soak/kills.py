"""Processes that are killed (-9) at random points of their work: no acknowledged row or delete is lost."""

import json
import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Annotated, Any

import grpc
import typer

from attridex.client.commands.app import main
from attridex.indexer.config import load_config
from attridex.indexer.errors import AttridexError
from attridex.indexer.growth.appending import Appender
from attridex.indexer.index.directory import read_current, read_manifest
from attridex.indexer.index.shards import open_shards
from attridex.indexer.index.verify import verify
from attridex.indexer.lifecycle.deleting import delete_ids, undelete_ids
from attridex.indexer.lifecycle.liveness import read_deleted
from attridex.indexer.renewal.building import build
from attridex.indexer.renewal.compaction import compact
from attridex.indexer.renewal.repair import repair
from attridex.v1 import admin_pb2, admin_pb2_grpc
from tests.conftest import SEGMENTS, records, tiny_model, word_tokenizer, write_jsonl, write_toml

ROWS, GONE, NEW = 24, {"t1", "t7"}, 6
"""Instances of the index that is worked on, those that are deleted in it, and those that are appended to it."""
LATER = [f"t{row}" for row in range(ROWS) if f"t{row}" not in GONE]
Rows = Mapping[str, tuple[Any, ...]]
"""What is stored of each live instance, by id."""


def made(directory: Path) -> Path:
    """An index with deletes, in a directory with its corpus, its model and its configuration."""
    tiny_model("opt").save_pretrained(directory / "model")
    word_tokenizer().save_pretrained(directory / "model")
    write_jsonl(directory / "train.jsonl", records(ROWS))
    settings = {
        "model": {"path": str(directory / "model"), "task": "sequence-classification"},
        "corpus": {"files": [str(directory / "train.jsonl")], "metadata": ["genre"], "segments": SEGMENTS},
        "gradients": {"curvature": ["fisher"]},
        "neurons": {"rule": "gradient"},
        "index": {"shard_rows": 5},
    }
    write_toml(directory / "config.toml", settings)
    index = directory / "index"
    build(load_config(directory / "config.toml"), index, show_progress=False)
    delete_ids(index, sorted(GONE))
    for number in range(NEW):
        changed = {**records(ROWS + NEW)[ROWS + number], "premise": "a doctor paid a lawyer today"}
        write_jsonl(directory / f"t{ROWS + number}.jsonl", [records(ROWS + NEW)[ROWS + number]])
        write_jsonl(directory / f"{LATER[number]}.jsonl", [{**changed, "id": LATER[number]}])
    return index


def config_of(index: Path) -> Path:
    """The configuration beside an index."""
    return index.parent / "config.toml"


def say(index: Path, what: str) -> None:
    """Acknowledge, as a command does by ending: what was said before is done, whatever comes."""
    with (index.parent / "said").open("a") as stream:
        stream.write(f"{what}\n")


def said(index: Path) -> list[str]:
    """What was acknowledged."""
    path = index.parent / "said"
    return path.read_text().splitlines() if path.exists() else []


def deleting(index: Path) -> None:
    """Delete one instance after the other; every third is undeleted again."""
    for number, name in enumerate(LATER[:-1]):
        delete_ids(index, [name])
        say(index, f"delete {name}")
        if number % 3 == 2:
            say(index, f"asked {name}")
            undelete_ids(index, [name])
            say(index, f"undelete {name}")


def compacting(index: Path) -> None:
    """Remove what is deleted from the disk."""
    compact(index)


def repairing(index: Path) -> None:
    """Mend what `broken` broke."""
    repair(index, load_config(config_of(index)))


def building(index: Path) -> None:
    """Build, or finish."""
    build(load_config(config_of(index)), index, show_progress=False)


def growing(index: Path) -> None:
    """Append an instance and update another, in turn."""
    appender = Appender(index)
    for number in range(NEW):
        for action, name in (("append", f"t{ROWS + number}"), ("update", LATER[number])):
            getattr(appender, action)([index.parent / f"{name}.jsonl"])
            say(index, f"{action} {name}")


def serving(index: Path) -> None:
    """Serve; `ask` deletes through it."""
    where = f"unix:{index.parent / 'socket'}"
    main(["serve", f"mine={index}", "--listen", where, "--no-model", "--insecure-admin", "--watch", "0"])


def ask(index: Path, alive: Callable[[], bool]) -> None:
    """Delete through a server, one instance after the other, until it is gone."""
    with grpc.insecure_channel(f"unix:{index.parent / 'socket'}") as channel:
        stub, ready = admin_pb2_grpc.AdminServiceStub(channel), grpc.channel_ready_future(channel)
        while alive() and not ready.done():
            time.sleep(0.01)
        try:
            for name in LATER[:-1]:
                stub.DeleteInstances(admin_pb2.DeleteInstancesRequest(ids=[name]), timeout=120)
                say(index, f"delete {name}")
        except grpc.RpcError:
            return


def broken(index: Path) -> None:
    """Flip a bit of a shard, and lose a file of a version."""
    path = next(index.glob("shards/*/gradients.faiss"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    next(index.glob("versions/*/csr_scores.npy")).unlink()


def emptied(index: Path) -> None:
    """Nothing is built."""
    shutil.rmtree(index)


def whole(_index: Path) -> None:
    """The index as it is."""


@dataclass(frozen=True)
class Kind:
    """A process that is killed.

    Attributes:
        work: what it does, in a process of its own.
        begin: what is done to the index before.
        ask: what another thread does meanwhile, as long as it is alive.
        deletes: whether instances are deleted, in the order of `LATER`.
        grows: whether instances come and change.
    """

    work: Callable[[Path], None]
    begin: Callable[[Path], None] = whole
    ask: Callable[[Path, Callable[[], bool]], None] | None = None
    deletes: bool = False
    grows: bool = False


KINDS: Mapping[str, Kind] = {
    "builder": Kind(building, emptied),
    "deleter": Kind(deleting, deletes=True),
    "compactor": Kind(compacting),
    "appender": Kind(growing, grows=True),
    "repairer": Kind(repairing, broken),
    "server": Kind(serving, ask=ask, deletes=True),
}


@dataclass
class Counts:
    """What came of the rounds of a kind."""

    rounds: int = 0
    killed: int = 0
    acknowledged: int = 0
    lost_rows: int = 0
    lost_deletes: int = 0
    wrong_rows: int = 0
    unreadable: int = 0
    said: list[str] = field(default_factory=list)

    @property
    def bad(self) -> int:
        """Whatever must not be."""
        return self.lost_rows + self.lost_deletes + self.wrong_rows + self.unreadable


def live_rows(index: Path) -> Rows:
    """What is stored of each instance that is not deleted."""
    version = read_current(index)
    hidden, found, first = read_deleted(index, version), {}, 0
    for shard in open_shards(index, read_manifest(index, version).shards):
        gradients = shard.gradients()
        for at, row in enumerate(shard.instances(["id", "premise", "loss"]).to_pylist()):
            if first + at not in hidden:
                found[row["id"]] = (*row.values(), gradients[at].tobytes())
        first += len(gradients)
    return found


def check(index: Path, kind: Kind, expected: Rows, grown: Rows, counts: Counts) -> None:
    """Mend what was cut off, and compare what is live with what may be.

    Args:
        index: that was worked on.
        kind: of the process that was killed.
        expected: what is stored of every instance of the index.
        grown: the same once it has grown; nothing where it does not.
        counts: hears what came of it.
    """
    acknowledged = [line.split() for line in said(index) if line != "begun"]
    last = {name: action for action, name in acknowledged}
    counts.acknowledged += len(acknowledged)
    try:
        (building if kind.begin is emptied else repairing)(index)
        problems = [str(found.problem) for found in verify(index) if found.problem]
        live = live_rows(index)
    except (AttridexError, OSError) as error:
        problems, live = [str(error)], {}
    counts.unreadable += bool(problems)
    counts.said += problems[:1]
    gone = {name for name, action in last.items() if action == "delete"} | (GONE if kind.begin is not emptied else set())
    under_way = [name for name in LATER if name not in last][:1] if kind.deletes else []
    may_go = gone | {*under_way} | {name for name, action in last.items() if action == "asked"}
    came = {name for name, action in last.items() if action in ("append", "update")}
    counts.lost_deletes += len(gone & live.keys())
    counts.lost_rows += len((expected.keys() | came) - live.keys() - may_go)
    may_be = {name: {grown.get(name)} if name in came else {expected.get(name), grown.get(name)} for name in live}
    counts.wrong_rows += sum(row not in may_be[name] for name, row in live.items())


def run_round(base: Path, kind: Kind, rows: tuple[Rows, Rows], seconds: float | None, counts: Counts) -> float:
    """One round; gives how long the work took, up to the kill after so many seconds, if it is killed.

    Args:
        base: an index that `made` made.
        kind: of the process.
        rows: see `check`.
        seconds: until it is killed; None lets it end.
        counts: hears what came of it.
    """
    with tempfile.TemporaryDirectory(prefix="kills-") as place:
        directory = Path(shutil.copytree(base.parent, Path(place) / "copy"))
        index = directory / base.name
        kind.begin(index)
        process = get_context("forkserver").Process(target=in_process, args=(kind.work, index))
        process.start()
        passed = until_killed(process, kind, index, seconds)
        counts.rounds += 1
        counts.killed += process.exitcode != 0
        check(index, kind, *rows, counts)
        return passed


def until_killed(process: BaseProcess, kind: Kind, index: Path, seconds: float | None) -> float:
    """Let a process work; see `run_round`."""
    while not said(index):
        time.sleep(0.005)
    began = time.perf_counter()
    asking = threading.Thread(target=kind.ask, args=(index, process.is_alive)) if kind.ask else None
    if asking:
        asking.start()
    (asking if asking and seconds is None else process).join(seconds)
    passed = time.perf_counter() - began
    process.kill()
    process.join()
    if asking:
        asking.join()
    return passed


def in_process(work: Callable[[Path], None], index: Path) -> None:
    """Work in a process that has imported everything."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    say(index, "begun")
    work(index)


def preloaded() -> None:
    """Let processes begin with everything imported."""
    get_context("forkserver").set_forkserver_preload(["tests.soak.kills"])


def killed(base: Path, name: str, rounds: int, seed: int = 0) -> Counts:
    """Kill a kind of process at random points of its work, which once is let to its end.

    Args:
        base: an index that `made` made.
        name: of the kind.
        rounds: how often.
        seed: of the points.
    """
    preloaded()
    chance, kind = random.Random(seed), KINDS[name]
    rows = everything(base), everything(base, growing) if kind.grows else {}
    longest = run_round(base, kind, rows, None, Counts())
    counts = Counts()
    for _ in range(rounds):
        run_round(base, kind, rows, chance.random() * longest, counts)
    return counts


def everything(base: Path, work: Callable[[Path], None] = whole) -> Rows:
    """What is stored of each instance, deleted or not, once some work is done."""
    with tempfile.TemporaryDirectory(prefix="kills-") as place:
        copy = Path(shutil.copytree(base.parent, Path(place) / "copy")) / base.name
        undelete_ids(copy, sorted(GONE))
        work(copy)
        return live_rows(copy)


def run(out: Path, rounds: Annotated[int, typer.Option(help="Of each kind.")] = 100, only: str = "") -> None:
    """Kill each kind of process at random points, and say what was lost."""
    with tempfile.TemporaryDirectory(prefix="kills-") as place:
        base, bad = made(Path(place)), 0
        for name in [only] if only else KINDS:
            began = time.perf_counter()
            counts = killed(base, name, rounds)
            found = json.loads(out.read_text()) if out.exists() else {}
            found[name] = {**vars(counts), "seconds": round(time.perf_counter() - began)}
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(found, indent=1) + "\n")
            typer.echo(f"{name}: {json.dumps(found[name])}")
            bad += counts.bad
    if bad:
        raise typer.Exit(1)
