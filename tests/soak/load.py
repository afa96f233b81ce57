"""A server under load, and for long: what clients get of it beside an echo, and whether memory and descriptors stay flat.

python -m tests.soak.load load tests/results/load.json
python -m tests.soak.load steady tests/results/soak.json --minutes 30

Clients, server and echo share the machine's cores: read figures as ratios to the echo's, which has the same clients.
"""

import asyncio
import itertools
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import grpc
import numpy as np
import typer

from attridex.client import AsyncClient
from attridex.client.benchmarks.scene import SMALL, configuration, scene, texts
from attridex.client.benchmarks.serving import ECHO
from attridex.client.errors import ClientError
from attridex.client.serving import server_beside
from attridex.indexer.building.build import build
from attridex.v1.requests import Query

app = typer.Typer(help=__doc__)
CLIENTS = (1, 8, 32, 128)
INSTANCES, WORDS = 500, 31
Call = Callable[[AsyncClient, int], Awaitable[object]]
"""One question, by its number."""


def fresh(number: int) -> Mapping[str, Any]:
    """A text that was not asked before."""
    return {"text": texts(1, WORDS, WORDS, seed=10_000 + number)[0], "label": "neutral"}


def stored(number: int) -> Query:
    """A training instance."""
    return Query.instance(f"t{number % INSTANCES}")


KINDS: Mapping[str, Call] = {
    "get_instances": lambda client, n: client.get_instances([f"t{n % INSTANCES}"]),
    "ia, an instance": lambda client, n: client.attribute_instances([stored(n)], k=10),
    "na-instances, an instance": lambda client, n: client.find_instances_by_neurons([stored(n)], k=10),
    "ia-neurons, an instance": lambda client, n: client.find_neurons_by_instances([stored(n)]),
    "na, an instance": lambda client, n: client.attribute_neurons([stored(n)], r=20),
    "ia, a new text": lambda client, n: client.attribute_instances([fresh(n)], k=10),
    "predict, a new text": lambda client, n: client.predict([fresh(n)]),
    "na, a new text": lambda client, n: client.attribute_neurons([fresh(n)], r=20),
}


@contextmanager
def served() -> Iterator[str]:
    """A server of a small index with gradients and neurons."""
    with scene(SMALL, texts(INSTANCES, WORDS, WORDS)) as directory:
        index = directory / "load"
        build(configuration(directory, gradients={"dim": 1024}, neurons={"rule": "gradient"}), index, show_progress=False)
        with server_beside(index) as address:
            yield address


async def hammered(call: Callable[[int, int], Awaitable[object]], clients: int, seconds: float) -> dict[str, Any]:
    """What each of some clients gets who ask one question after the other.

    Args:
        call: asks, given the client's number and the question's.
        clients: how many.
        seconds: how long.
    """
    numbers, times, failed = itertools.count(), list[float](), Counter[str]()
    end = time.perf_counter() + seconds

    async def client(own: int) -> None:
        while (began := time.perf_counter()) < end:
            try:
                await call(own, next(numbers))
                times.append(time.perf_counter() - began)
            except (ClientError, grpc.RpcError) as error:
                failed[type(error).__name__] += 1
                await asyncio.sleep(0.05)

    began = time.perf_counter()
    await asyncio.gather(*map(client, range(clients)))
    passed = time.perf_counter() - began
    p50, p99 = np.percentile(times, [50, 99]) if times else (float("nan"),) * 2
    return {
        "clients": clients, "calls": len(times), "a_second": round(len(times) / passed, 1), "p50_ms": round(1e3 * p50, 2),
        "p99_ms": round(1e3 * p99, 2), "failed": dict(failed),
    }  # fmt: skip


async def echoed(seconds: float) -> list[dict[str, Any]]:
    """The same clients and an echo of 2 KiB."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ECHO), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    port, payload, rows = int(await process.stdout.readline()), b"x" * 2048, []
    for clients in CLIENTS:
        channels = [grpc.aio.insecure_channel(f"127.0.0.1:{port}", OWN) for _ in range(clients)]
        calls = [channel.unary_unary("/echo/Echo", bytes, bytes) for channel in channels]
        rows.append({"kind": "echo", **await hammered(lambda own, _n, calls=calls: calls[own](payload), clients, seconds)})
        await asyncio.gather(*(channel.close() for channel in channels))
    process.terminate()
    await process.wait()
    return rows


OWN = [("grpc.use_local_subchannel_pool", 1)]
"""Gives each channel a connection of its own, as clients on other machines have."""


async def loaded(address: str, seconds: float) -> list[dict[str, Any]]:
    """Every kind of question from every number of clients, and the echo."""
    rows = await echoed(seconds)
    for kind, call in KINDS.items():
        for count in CLIENTS:
            clients = [AsyncClient(address, timeout=120.0) for _ in range(count)]
            found = await hammered(lambda own, n, clients=clients, call=call: call(clients[own], n), count, seconds)
            rows.append({"kind": kind, **found})
            typer.echo(json.dumps(rows[-1]))
            await asyncio.gather(*(client.close() for client in clients))
    return rows


def process_of(address: str) -> int:
    """The process that listens at an address, found by its command line."""
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"attridex.client.commands.app" in each.read_bytes() and b"127.0.0.1:0" in each.read_bytes():
                return int(each.parent.name)
        except OSError:
            continue
    raise SystemExit(f"no server process for {address}")


def sampled(process: int) -> dict[str, Any]:
    """Memory and descriptors of a process, and its threads."""
    status = Path(f"/proc/{process}/status").read_text()
    found = {name: int(value) for name, value in re.findall(r"^(VmRSS|Threads):\s+(\d+)", status, re.MULTILINE)}
    return {
        "rss_mib": round(found["VmRSS"] / 1024, 1), "threads": found["Threads"],
        "descriptors": len(list(Path(f"/proc/{process}/fd").iterdir())),
    }  # fmt: skip


async def kept(address: str, minutes: float) -> dict[str, Any]:
    """Clients of every kind at once, who come and go, and what the server holds meanwhile."""
    process, samples, end = process_of(address), list[dict[str, Any]](), time.perf_counter() + 60 * minutes
    calls = Counter[str]()

    async def visitor(kind: str, call: Call) -> None:
        numbers = itertools.count()
        while time.perf_counter() < end:
            async with AsyncClient(address, timeout=60.0) as client:
                for _ in range(50):
                    try:
                        await call(client, next(numbers))
                        calls[kind] += 1
                    except ClientError as error:
                        calls[f"{kind}: {type(error).__name__}"] += 1

    async def watcher() -> None:
        while time.perf_counter() < end:
            await asyncio.sleep(15)
            samples.append(sampled(process))

    await asyncio.gather(watcher(), *(visitor(kind, call) for kind, call in KINDS.items()))
    return {"minutes": minutes, "calls": dict(calls), "samples": samples, "flat": flat(samples)}


def flat(samples: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Medians of the second and the last fourth of the samples."""
    fourth = max(1, len(samples) // 4)
    parts = samples[fourth : 2 * fourth], samples[-fourth:]
    return {name: [float(np.median([each[name] for each in part])) for part in parts] for name in samples[0]}


@app.command()
def load(out: Path, seconds: Annotated[float, typer.Option(help="Of each measurement.")] = 5.0) -> None:
    """Throughput and latency of 1, 8, 32 and 128 clients by kind of question, beside an echo."""
    with served() as address:
        rows = asyncio.run(loaded(address, seconds))
    out.write_text(json.dumps({"seconds": seconds, "cores": os.cpu_count(), "rows": rows}, indent=1) + "\n")


@app.command()
def steady(out: Path, minutes: Annotated[float, typer.Option(help="How long.")] = 30.0) -> None:
    """Memory, threads and descriptors of a server that is asked all the while."""
    with served() as address:
        found = asyncio.run(kept(address, minutes))
    out.write_text(json.dumps(found, indent=1) + "\n")
    typer.echo(json.dumps({"calls": found["calls"], "flat": found["flat"]}))


if __name__ == "__main__":
    app()
