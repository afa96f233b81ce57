"""Look-ups whose deadline passes: how much later the thread that works on them stops.

Each kind is asked whole first; then its deadline is drawn from the time that it took. Times are of one thread's wall clock:
run it on a quiet machine.
"""

import json
import random
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import typer

from attridex.service.answering.served import ServedIndex
from attridex.service.caller import Waiter
from attridex.service.edge.server import open_index
from attridex.service.errors import DeadlineError
from attridex.service.operations.pauses import settled
from attridex.v1.filters import TextMatch
from attridex.v1.requests import (
    AttributeInstancesRequest,
    FindInstancesByNeuronsRequest,
    FindNeuronsByInstancesRequest,
    GetInstancesRequest,
    ListInstancesRequest,
    Query,
    Scoring,
)
from tests.soak.tiny import tiny_index

INSTANCES, QUERIES = 600, 100
LATE_MS = 100.0
"""What a look-up may take beyond its deadline."""
MANY = tuple(Query.instance(f"t{number}") for number in range(QUERIES))
IDS = tuple(f"t{number % INSTANCES}" for number in range(10_000))
ANY = TextMatch("premise", "%o%")
KINDS: Mapping[str, Any] = {
    "instances by id": GetInstancesRequest(IDS),
    "instances by id, with neurons": GetInstancesRequest(IDS, (), with_neurons=True),
    "a page, in the order of a text": ListInstancesRequest(ANY, "premise", 1000),
    "ia, grad-dot": AttributeInstancesRequest(MANY, Scoring("grad-dot"), 10),
    "ia, grad-dot, half of all hit": AttributeInstancesRequest(MANY, Scoring("grad-dot"), INSTANCES // 2),
    "ia, influence, filtered": AttributeInstancesRequest(MANY, Scoring("influence", curvature="fisher"), 10, ANY),
    "ia, grad-dot, grouped": AttributeInstancesRequest(MANY, Scoring("grad-dot"), 10, group="premise"),
    "ia, bm25": AttributeInstancesRequest(MANY, Scoring("bm25"), 10),
    "na-instances": FindInstancesByNeuronsRequest(MANY, 50, INSTANCES // 2),
    "na-instances, grouped": FindInstancesByNeuronsRequest(MANY, 50, 10, group="premise"),
    "ia-neurons": FindNeuronsByInstancesRequest(MANY, Scoring("grad-dot"), INSTANCES // 2, 10, "summed"),
}


def taken(index: ServedIndex, request: Any, timeout: float) -> tuple[float, bool]:
    """Seconds that a request took with a deadline, and whether it passed."""
    waiter, began = Waiter(timeout), time.perf_counter()
    try:
        index.answer(request, waiter.check)
    except DeadlineError:
        return time.perf_counter() - began, True
    return time.perf_counter() - began, False


def lateness(index: ServedIndex, request: Any, rounds: int) -> dict[str, Any]:
    """Of a kind of request: its whole time, and how much later than its deadline its work ended."""
    whole = min(taken(index, request, 3600.0)[0] for _ in range(2))
    draw, late = random.Random(0), list[float]()
    for _ in range(rounds):
        timeout = whole * draw.uniform(0.05, 0.95)
        seconds, passed = taken(index, request, timeout)
        if passed:
            late.append(1e3 * (seconds - timeout))
    found: dict[str, Any] = {"whole_ms": round(1e3 * whole, 1), "passed": len(late)}
    if late:
        found |= {"late_p50_ms": round(float(np.median(late)), 2), "late_most_ms": round(max(late), 2)}
    return found


def run(out: Path, rounds: Annotated[int, typer.Option(help="Deadlines of each kind.")] = 30) -> None:
    """Measure, and write what was found; exit code 1 where a look-up was later than it may be."""
    with TemporaryDirectory() as name:
        index = open_index(tiny_index(Path(name), INSTANCES), "index", model=False)
        with settled():  # as in a server
            found = {kind: lateness(index, request, rounds) for kind, request in KINDS.items()}
        index.close()
    held = all(each["passed"] and each["late_most_ms"] <= LATE_MS for each in found.values())
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"most_ms": LATE_MS, "held": held, "kinds": found}, indent=1) + "\n")
    typer.echo(json.dumps(found, indent=1))
    raise typer.Exit(not held)
