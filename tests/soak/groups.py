"""An index in one process beside the same in groups of Ray actors: answers compared to the bit, what the way there costs, kills.

All of it shares the machine's cores: read a time beside that of one process in the same run.
"""

import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import ray
import typer

from attridex.indexer.building.build import build
from attridex.indexer.config import load_config
from attridex.service.answering.served import ServedIndex
from attridex.service.edge.server import open_index
from attridex.service.errors import ShardsError
from attridex.service.groups.dividing import Dividing
from attridex.service.groups.gathering import Patience
from attridex.service.groups.group import GroupJob
from attridex.service.groups.on_ray import ray_groups
from attridex.service.storage.held_shards import How
from attridex.v1.requests import (
    AttributeInstancesRequest,
    FindInstancesByNeuronsRequest,
    FindNeuronsByInstancesRequest,
    Query,
    RankInstancesRequest,
    Scoring,
)
from tests.conftest import SEGMENTS, records, tiny_model, word_tokenizer, write_jsonl, write_toml
from tests.service.groups.test_same_answers import plain

ROWS, GROUPS = 400, 4
TIMED = 100
ASKED = (Query.instance("t1"),)
REQUESTS: Sequence[Any] = (
    *(
        AttributeInstancesRequest(ASKED, Scoring(method), 10)
        for method in ("grad-dot", "grad-cos", "influence", "rep-sim", "bm25")
    ),
    AttributeInstancesRequest(ASKED, Scoring("grad-dot"), 3, group="genre"),
    FindInstancesByNeuronsRequest(ASKED, similarity="dcns"),
    FindInstancesByNeuronsRequest(ASKED, similarity="activation"),
    FindNeuronsByInstancesRequest(ASKED),
)


@dataclass(frozen=True)
class NumberedJob(GroupJob):
    """A group that tells its process's number."""

    def open(self) -> Callable[[Any], Any]:
        """See `GroupJob`."""
        answer = super().open()
        return lambda question: os.getpid() if question == "number" else answer(question)


def made(place: Path) -> Path:
    """An index of 40 shards."""
    tiny_model("opt").save_pretrained(place / "model")
    word_tokenizer().save_pretrained(place / "model")
    write_jsonl(place / "train.jsonl", records(ROWS))
    settings = {
        "model": {"path": str(place / "model"), "task": "sequence-classification"},
        "corpus": {"files": [str(place / "train.jsonl")], "metadata": ["genre"], "segments": SEGMENTS},
        "gradients": {"curvature": ["fisher"]},
        "neurons": {"rule": "gradient"},
        "index": {"shard_rows": 10},
    }
    write_toml(place / "config.toml", settings)
    build(load_config(place / "config.toml"), place / "index", show_progress=False)
    return place / "index"


def answers(index: ServedIndex) -> list[Any]:
    """To every request, as they compare to the bit."""
    ranked = plain(list(index.rank(RankInstancesRequest(ASKED))))
    return [*(plain(index.answer(request)) for request in REQUESTS), ranked]


def milliseconds(index: ServedIndex, request: Any) -> dict[str, float]:
    """p50 and p99 of one request after the other."""
    times = list[float]()
    for _ in range(TIMED):
        began = time.perf_counter()
        index.answer(request)
        times.append(1000 * (time.perf_counter() - began))
    return {"p50": round(float(np.percentile(times, 50)), 3), "p99": round(float(np.percentile(times, 99)), 3)}


def killed(groups: Any, served: ServedIndex, number: int, expected: Any) -> str:
    """Kill a replica of a group, then ask at once: "full" or "partial", or what is wrong."""
    place = groups._groups[number % GROUPS]._places[number // GROUPS % len(groups._groups[0]._places)]
    found = place.replica.ask("number").result(120)
    if isinstance(found, int):
        os.kill(found, signal.SIGKILL)
    try:
        answer = served.answer(replace(REQUESTS[0], allow_partial=True))
    except ShardsError:
        return "unavailable"
    if plain(answer) == expected:
        return "full"
    return "partial" if answer.info.partial else "wrong"


def run(
    out: Annotated[Path, typer.Argument(help="JSON file to write.")],
    rounds: Annotated[int, typer.Option(help="Replicas that are killed.")] = 20,
    replicas: Annotated[int, typer.Option(help="Of each group.")] = 2,
    cpus: Annotated[int, typer.Option(help="Cores that the cluster may use.")] = os.cpu_count() or 1,
) -> None:
    """Compare, time and kill."""
    cluster: Any = {"num_cpus": cpus, "object_store_memory": 80 << 20, "include_dashboard": False, "log_to_driver": False}
    wanted = Dividing(GROUPS, replicas, cpus=cpus / (GROUPS * replicas + 1), patience=Patience(120, 1))
    with tempfile.TemporaryDirectory() as directory:
        index = made(Path(directory))
        ray.init(address="local", **cluster)
        alone = open_index(index, "alone", model=False, threads=1)
        with closing(alone), ray_groups(wanted, NumberedJob(How(verify=True), 1)) as groups:
            served = open_index(index, "alone", model=False, spread=groups)
            with closing(served):
                expected = answers(alone)
                same = [one == other for one, other in zip(answers(served), expected, strict=True)]
                times = {"one process": milliseconds(alone, REQUESTS[0]), f"{GROUPS} groups": milliseconds(served, REQUESTS[0])}
                ends = [killed(groups, served, number, expected[0]) for number in range(rounds)]
                again = answers(served) == expected
        ray.shutdown()
    found = {
        "groups": GROUPS, "replicas": replicas, "cores": cpus, "instances": ROWS,
        "answers the same": f"{sum(same)} of {len(same)}", "the same after all kills": again,
        "milliseconds of a query by an instance": times,
        "answers right after a kill": {kind: ends.count(kind) for kind in sorted({*ends})},
    }  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=2) + "\n")
    typer.echo(json.dumps(found, indent=2))
    if not all(same) or not again or "wrong" in ends:
        raise typer.Exit(1)
