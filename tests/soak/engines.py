"""Builds by several workers of whom one is killed (-9) at a random point: the index is that of one process, to the byte.

The Ray cluster has two nodes, both on this machine; one of them is removed, and another comes.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Annotated, Any

import ray
import typer
from ray.cluster_utils import Cluster

from attridex.indexer.building.build import build
from attridex.indexer.config import load_config
from attridex.indexer.index.verify import verify
from tests.conftest import SEGMENTS, records, tiny_model, word_tokenizer, write_jsonl, write_toml
from tests.indexer.building.contents import content
from tests.processes import children_of

ROWS = 120
NODE: Mapping[str, Any] = {"num_cpus": 1, "object_store_memory": 80 << 20}
COMMAND = "from attridex.client.commands.app import main; main()"


class Scene:
    """A corpus, and a cluster that builds an index of it."""

    def __init__(self, place: Path) -> None:
        """Begin them."""
        self.place, self.config = place, place / "config.toml"
        tiny_model("opt").save_pretrained(place / "model")
        word_tokenizer().save_pretrained(place / "model")
        write_jsonl(place / "train.jsonl", records(ROWS))
        settings = {
            "model": {"path": str(place / "model"), "task": "sequence-classification"},
            "corpus": {"files": [str(place / "train.jsonl")], "segments": SEGMENTS},
            "gradients": {"curvature": ["fisher", "ekfac"]},
            "neurons": {"rule": "gradient"},
            "index": {"shard_rows": 4},
            "engine": {"threads": 1},
        }
        write_toml(self.config, settings)
        self.nodes = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
        self.nodes.add_node(**NODE)
        self.nodes.connect()

    def build(self, index: Path, kind: str) -> None:
        """Build with two workers."""
        config = load_config(self.config)
        build(config.model_copy(update={"engine": config.engine.by(kind=kind, workers=2)}), index, show_progress=False)

    def end(self) -> None:
        """End the cluster."""
        ray.shutdown()
        self.nodes.shutdown()


def kill_actor(_scene: Scene) -> bool:
    """Kill an actor; whether there was one."""
    return kill_one([int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if b"ray::JobActor" in read(path)])


def kill_worker(_scene: Scene) -> bool:
    """Kill a process that builds; whether there was one."""
    return kill_one(children_of(os.getpid(), "process_worker"))


def kill_one(processes: list[int]) -> bool:
    """Kill one of some processes, if there are any."""
    if processes:
        os.kill(random.choice(processes), signal.SIGKILL)
    return bool(processes)


def lose_node(scene: Scene) -> bool:
    """Remove a node, and let another come."""
    for node in list(scene.nodes.worker_nodes):
        scene.nodes.remove_node(node, allow_graceful=False)
    scene.nodes.add_node(**NODE)
    return True


def read(path: Path) -> bytes:
    """A file of a process that may be gone."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def disturbed(scene: Scene, index: Path, engine: str, harm: Callable[[Scene], bool], seconds: float) -> bool:
    """Build, and do harm after a while; whether there was anything to be harmed."""
    with ThreadPoolExecutor(1) as thread:
        building = thread.submit(scene.build, index, engine)
        _, under_way = wait([building], seconds)
        harmed = bool(under_way) and harm(scene)  # of this thread: Ray lets no other one add a node
        building.result()
    return harmed


def without_driver(scene: Scene, index: Path, seconds: float) -> bool:
    """Build in a process that is killed after a while, and go on in this one; whether it was killed in time."""
    build_it = ["build", str(scene.config), "--out", str(index), "--engine", "ray", "--address", scene.nodes.address]
    with subprocess.Popen([sys.executable, "-c", COMMAND, *build_it, "--workers", "2"], stderr=subprocess.DEVNULL) as driver:
        time.sleep(seconds)
        killed = driver.poll() is None
        driver.kill()
    scene.build(index, "ray")
    return killed


KINDS: Mapping[str, tuple[str, Callable[[Scene], bool]]] = {
    "worker": ("local", kill_worker),
    "actor": ("ray", kill_actor),
    "node": ("ray", lose_node),
}


def round_of(scene: Scene, kind: str, index: Path, seconds: float) -> bool:
    """One round; whether somebody was lost in time."""
    if kind == "driver":
        return without_driver(scene, index, seconds)
    engine, harm = KINDS[kind]
    return disturbed(scene, index, engine, harm, seconds)


def rounds_of(scene: Scene, kind: str, rounds: int, expected: dict[str, Any]) -> dict[str, Any]:
    """What came of the rounds of a kind.

    Args:
        scene: of all of them.
        kind: who is lost.
        rounds: how many.
        expected: what an index of one process holds.
    """
    chance, began, found = random.Random(0), time.perf_counter(), {"rounds": rounds, "lost": 0, "other_content": 0, "damaged": 0}
    scene.build(scene.place / f"{kind}-whole", "local" if kind == "worker" else "ray")
    longest = (time.perf_counter() - began) * (2 if kind == "driver" else 1)
    for number in range(rounds):
        index = scene.place / f"{kind}-{number}"
        found["lost"] += round_of(scene, kind, index, chance.random() * longest)
        found["other_content"] += content(index) != expected
        found["damaged"] += any(each.problem for each in verify(index))
    return {**found, "seconds": round(time.perf_counter() - began)}


def run(out: Path, rounds: Annotated[int, typer.Option(help="Of each kind.")] = 20, only: str = "") -> None:
    """Build with two workers, kill one of them, a node or the driver at random points, and compare what is there in the end."""
    found: dict[str, Any] = json.loads(out.read_text()) if out.exists() else {}
    with tempfile.TemporaryDirectory(prefix="engines-") as name:
        scene = Scene(Path(name))
        build(load_config(scene.config), scene.place / "alone", show_progress=False)
        expected = content(scene.place / "alone")
        for kind in [only] if only else [*KINDS, "driver"]:
            found[kind] = rounds_of(scene, kind, rounds, expected)
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(found, indent=1) + "\n")
            typer.echo(f"{kind}: {json.dumps(found[kind])}")
        scene.end()
    raise typer.Exit(any(each["other_content"] + each["damaged"] or not each["lost"] for each in found.values()))
