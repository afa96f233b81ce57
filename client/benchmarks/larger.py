"""An index larger than memory, of any size, through the real writer and server: python -m attridex.client.benchmarks.larger DIR.

It writes the index (unless it is there), serves it under a bound, and puts every time beside what the memory needs for the same
bytes, measured in the same run. It takes disk of its vectors' size, and minutes.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from attridex.client.benchmarks.measure import seconds
from attridex.client.benchmarks.synthetic import Float32, Shape, centres_of, write_synthetic
from attridex.client.client import Client
from attridex.indexer.building.capacity import reading_speed
from attridex.indexer.index.layout import SHARDS
from attridex.v1.requests import Query

COMMAND = (sys.executable, "-c", "from attridex.client.commands.app import main; main()")
K, FRESH, BATCH = 10, 50, 32
"""Hits of a query, queries that recall is measured with, and queries of a batch."""


def main() -> None:
    """Measure, and print a JSON object a figure."""
    options = parsed()
    shape = Shape(options.rows, options.dim, 4096, "float16")
    if not (options.index / SHARDS).exists():
        say("written", seconds=seconds(lambda: write_synthetic(options.index, shape, ["rabitq"])))
    size = shape.rows * shape.dim * 2
    floor = size / reading_speed()
    say("floor", bytes=size, seconds=floor, gib_a_second=size / floor / 2**30)
    read = seconds(lambda: read_files(options.index))
    say("reading all files once, one after the other", seconds=read, over_floor=read / floor)
    with served(options.index, options.memory) as (port, opened, process), Client(f"127.0.0.1:{port}") as client:
        say("open, every file checked", seconds=opened, over_floor=opened / floor, resident_mib=resident(process))
        measure(client, fresh(shape), floor, options.repeats)
        say("resident at the peak", mib=resident(process, "VmHWM"), bound=options.memory)


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=4096)
    parser.add_argument("--memory", default="4GiB")
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args()


def say(name: str, **values: Any) -> None:
    """Print a figure."""
    shown = {key: round(value, 4) if isinstance(value, float) else value for key, value in values.items()}
    sys.stdout.write(f"{json.dumps({'figure': name, **shown})}\n")
    sys.stdout.flush()


def read_files(index: Path) -> None:
    """Read every file from front to back."""
    for path in sorted(path for path in index.rglob("*") if path.is_file()):
        with path.open("rb", buffering=0) as stream:
            while stream.read(1 << 22):
                pass


def fresh(shape: Shape) -> Float32:
    """Queries that are like the rows and none of them [q, d]."""
    rng, centres = np.random.default_rng(7), centres_of(shape)
    noise = rng.standard_normal((FRESH, shape.dim), dtype=np.float32)
    return np.asarray(centres[rng.integers(0, len(centres), FRESH)] + noise, np.float32)


@contextmanager
def served(index: Path, memory: str) -> "Iterator[tuple[int, float, int]]":
    """A server of the index: its port, the seconds until it answers, and its process."""
    command = [*COMMAND, "serve", str(index), "--no-model", "--listen", "127.0.0.1:0", "--memory", memory]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        found: list[int] = []
        try:
            opened = seconds(lambda: found.append(port_of(process)))
            yield found[0], opened, process.pid
        finally:
            process.terminate()


def port_of(process: "subprocess.Popen[str]") -> int:
    """The port of a server once it answers."""
    for line in process.stderr or ():
        if listening := re.search(r"listening on \S+:(\d+)", line):
            return int(listening[1])
        sys.stderr.write(line)
    raise SystemExit("the server ended")


def resident(process: int, name: str = "VmRSS") -> int:
    """MiB of a process in memory, now or at the peak."""
    (found,) = re.findall(rf"^{name}:\s+(\d+)", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
    return int(found) >> 10


def measure(client: Client, vectors: Float32, floor: float, repeats: int) -> None:
    """Questions, exact and approximate.

    Args:
        client: of the server.
        vectors: that are asked about.
        floor: seconds that the memory needs for all stored vectors.
        repeats: of each exact question.
    """
    queries = [Query.vector(vector) for vector in vectors]

    def timed(name: str, ask: Callable[[int], object], times: int) -> None:
        took = [seconds(partial(ask, at)) for at in range(times)]
        middle = statistics.median(took)
        say(name, seconds=middle, least=min(took), greatest=max(took), over_floor=middle / floor)

    timed("exact, 1 query", lambda at: client.attribute_instances([queries[at]], k=K), repeats)
    timed(f"exact, {BATCH} queries", lambda _: client.attribute_instances(queries[:BATCH], k=K), repeats)
    first = seconds(lambda: client.attribute_instances([queries[0]], k=K, approximate="rabitq"))
    say("approximate, the first query, which reads the structure", seconds=first, over_floor=first / floor)
    timed("approximate, 1 query", lambda at: client.attribute_instances([queries[at]], k=K, approximate="rabitq"), FRESH)
    exact = client.attribute_instances(queries, k=K).results
    found = client.attribute_instances(queries, k=K, approximate="rabitq")
    shares = [
        len({hit.id for hit in mine.hits} & {hit.id for hit in best.hits}) / K
        for mine, best in zip(found.results, exact, strict=True)
    ]
    say("recall@10 of fresh queries", measured=statistics.mean(shares), said=found.info.recall, exact=found.info.exact)


if __name__ == "__main__":
    main()
