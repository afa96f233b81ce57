"""A server under load beside an echo and the scan alone, and for long: whether it stays as large as it is.

Clients, server and echo share the machine's cores: read figures as ratios to those of the echo, which has the same clients.
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
from attridex.client.benchmarks.scene import configuration, scene, texts
from attridex.client.benchmarks.serving import ECHO
from attridex.client.errors import ClientError
from attridex.client.serving import server_beside
from attridex.indexer.building.build import build
from attridex.indexer.index.directory import read_current
from attridex.service.caller import never_cancelled
from attridex.service.search.scan import Scanner
from attridex.service.storage.version import IndexVersion
from attridex.v1.requests import Query
from tests.soak.tiny import server_process

CLIENTS = (1, 8, 32, 128)
INSTANCES, WORDS = 2000, 31
TINY = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
"""A model that costs little: what is measured is the service around it."""
TEXTS = 1000
"""New texts of a steady run, asked again and again: the cache is full of them within minutes."""
GROWTH = 1.05
"""What a steady server's memory may be, of what it was in the second fourth of the run."""
DESCRIPTORS = 4
"""And descriptors and threads more than it had then."""
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
def served() -> Iterator[tuple[str, Path]]:
    """A server of a small index with gradients and neurons: its address, and the index."""
    with scene(TINY, texts(INSTANCES, WORDS, WORDS)) as directory:
        index = directory / "load"
        build(configuration(directory, neurons={"rule": "gradient"}), index, show_progress=False)
        with server_beside(index) as address:
            yield address, index


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
    return told(clients, times, passed, failed)


def told(clients: int, times: Sequence[float], passed: float, failed: Mapping[str, int]) -> dict[str, Any]:
    """Figures of a measurement.

    Args:
        clients: who asked at once.
        times: seconds of each call.
        passed: seconds of all of it.
        failed: calls that failed, by what they raised.
    """
    p50, p99 = np.percentile(times, [50, 99]).tolist() if times else (None, None)
    return {
        "clients": clients, "calls": len(times), "a_second": round(len(times) / passed, 1),
        "p50_ms": p50 and round(1e3 * p50, 2), "p99_ms": p99 and round(1e3 * p99, 2), "failed": dict(failed),
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


def scanned(index: Path, seconds: float) -> dict[str, Any]:
    """What one caller gets of the scan alone, for the k = 10 best of an instance, in this process."""
    version, scanner, times = IndexVersion(index, read_current(index), verify=False), Scanner(), list[float]()
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        query = version.vector(version.gradients, len(times) % INSTANCES)[None]
        scanner.top(version.gradients, query, 10, version.ids_of, never_cancelled)
        times.append(time.perf_counter() - began)
    scanner.close()
    version.close()
    return {"kind": "the scan alone", **told(1, times, sum(times), Counter())}


OWN = [("grpc.use_local_subchannel_pool", 1)]
"""Gives each channel a connection of its own, as clients on other machines have."""


async def loaded(address: str, index: Path, seconds: float) -> list[dict[str, Any]]:
    """Every kind of question from every number of clients, the echo, and the scan alone."""
    rows = [*await echoed(seconds), await asyncio.to_thread(scanned, index, seconds)]
    for kind, call in KINDS.items():
        for count in CLIENTS:
            clients = [AsyncClient(address, timeout=120.0) for _ in range(count)]
            found = await hammered(lambda own, n, clients=clients, call=call: call(clients[own], n), count, seconds)
            rows.append({"kind": kind, **found})
            typer.echo(json.dumps(rows[-1]))
            await asyncio.gather(*(client.close() for client in clients))
    return rows


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
    process, samples, end = server_process(), list[dict[str, Any]](), time.perf_counter() + 60 * minutes
    calls = Counter[str]()

    async def visitor(kind: str, call: Call) -> None:
        numbers = itertools.count()
        while time.perf_counter() < end:
            async with AsyncClient(address, timeout=60.0) as client:
                for _ in range(50):
                    try:
                        await call(client, next(numbers) % TEXTS)
                        calls[kind] += 1
                    except ClientError as error:
                        calls[f"{kind}: {type(error).__name__}"] += 1

    async def watcher() -> None:
        while time.perf_counter() < end:
            await asyncio.sleep(15)
            samples.append(sampled(process))

    await asyncio.gather(watcher(), *(visitor(kind, call) for kind, call in KINDS.items()))
    found = medians(samples)
    return {"minutes": minutes, "calls": dict(calls), "medians": found, "flat": flat(found), "samples": samples}


def medians(samples: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Medians of the second and the last fourth of the samples."""
    fourth = max(1, len(samples) // 4)
    parts = samples[fourth : 2 * fourth], samples[-fourth:]
    return {name: [float(np.median([each[name] for each in part])) for part in parts] for name in samples[0]}


def flat(found: Mapping[str, Sequence[float]]) -> bool:
    """Whether the server has grown no more than it may."""
    (before, after), counts = found["rss_mib"], (found["descriptors"], found["threads"])
    return after <= GROWTH * before and all(late <= early + DESCRIPTORS for early, late in counts)


def load(out: Path, seconds: Annotated[float, typer.Option(help="Of each measurement.")] = 5.0) -> None:
    """Throughput and latency of 1, 8, 32 and 128 clients by kind of question, beside an echo."""
    with served() as (address, index):
        rows = asyncio.run(loaded(address, index, seconds))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"seconds": seconds, "cores": os.cpu_count(), "rows": rows}, indent=1) + "\n")


def steady(out: Path, minutes: Annotated[float, typer.Option(help="How long.")] = 30.0) -> None:
    """Memory, threads and descriptors of a server that is asked all the while."""
    with served() as (address, _):
        found = asyncio.run(kept(address, minutes))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=1) + "\n")
    typer.echo(json.dumps({name: found[name] for name in ("calls", "medians", "flat")}))
    raise typer.Exit(not found["flat"])
