"""Requests of every shape, and bytes that are none, beside somebody whose questions make sense.

Requests are drawn by hypothesis and damaged further; each must have an answer or a refusal of its own. They are sent for some
seconds, then not, in turns, so that whatever else the machine does meets the bystander in both alike.
"""

import json
import random
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import grpc
import numpy as np
import typer
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from attridex.client import Client
from attridex.client.serving import server_beside
from attridex.v1 import attribution_pb2 as pb
from tests.service.calls import http2
from tests.service.edge.shapes import OURS, drawn
from tests.soak.tiny import server_process, tiny_index

SHAPES, INSTANCES = 1500, 200
"""Requests that hypothesis draws; each is sent as it is, and damaged in other ways. Instances of the index."""
SENT, PAUSED = 5.0, 3.0
"""Seconds that requests are sent, and are not, in turns."""
RAW = 20
"""One connection of raw bytes for so many requests."""
WAIT = 60.0
BESIDE, GROWTH = 3.0, 1.1
"""What the bystander's p99 and the server's memory may be, of what they are else."""
Request = tuple[str, bytes]


def shapes(count: int) -> list[Request]:
    """Requests that hypothesis draws."""
    found = list[Request]()

    @settings(
        max_examples=count, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )  # fmt: skip
    @given(st.data())
    def draw(data: Any) -> None:
        found.append(drawn(data.draw))

    draw()
    return found


def requests(count: int, known: Sequence[Request], draw: random.Random) -> Iterator[Request]:
    """So many requests: those that are known first, then with a byte changed, taken out or put in, or with another's end."""
    yield from known[:count]
    for _ in range(count - len(known)):
        path, content = draw.choice(known)
        other = draw.choice(known)[1]
        at, end, some = draw.randrange(len(content) + 1), draw.randrange(len(other) + 1), draw.randbytes(draw.randrange(1, 9))
        ends = (some[:1] + content[at + 1 :], content[at + 1 :], some + content[at:], other[end:])
        yield path, content[:at] + draw.choice(ends)


def raw(port: int, draw: random.Random) -> None:
    """A connection of bytes that are no request: noise, TLS, HTTP/1, frames in no order, headers without end."""
    frames = b"".join(
        http2.frame(draw.randrange(12), draw.randrange(256), draw.randrange(9), draw.randbytes(draw.randrange(200)))
        for _ in range(20)
    )
    begun = http2.PREFACE + http2.frame(http2.SETTINGS, 0, 0)
    strange = (
        draw.randbytes(draw.randrange(1, 5000)), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", http2.PREFACE + draw.randbytes(3000),
        begun + frames, b"\x16\x03\x01" + draw.randbytes(200), begun + http2.frame(http2.PING, 0, 0, b"12345678") * 500,
    )  # fmt: skip
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), WAIT) as one:
        one.sendall(draw.choice(strange))


class Bystander(threading.Thread):
    """Asks for an instance again and again.

    Attributes:
        seconds: of each call: while nothing else is sent, and beside what is.
    """

    def __init__(self, address: str) -> None:
        """Not yet."""
        super().__init__(daemon=True)
        self._client, self._over = Client(address, timeout=WAIT, retries=0), threading.Event()
        self.beside = False
        self.seconds: dict[bool, list[float]] = {False: [], True: []}

    def run(self) -> None:
        """Until it is told to end."""
        number = 0
        while not self._over.wait(0.01):
            number, beside, began = number + 1, self.beside, time.perf_counter()
            self._client.get_instances([f"t{number % INSTANCES}"], fields=["premise"])
            if beside == self.beside:
                self.seconds[beside].append(time.perf_counter() - began)

    def end(self) -> None:
        """End."""
        self._over.set()
        self.join(WAIT)
        self._client.close()


def send(channel: grpc.Channel, path: str, content: bytes) -> Iterator[str]:
    """The statuses that a request has, of a stream those of its answers too."""
    try:
        if path.endswith("AttributeStream"):
            for answer in channel.stream_stream(path)(iter([content, content]), timeout=WAIT):
                number = pb.AttributeStreamResponse.FromString(answer).error.code
                yield next(code.name for code in grpc.StatusCode if code.value[0] == number)
        else:
            channel.unary_unary(path)(content, timeout=WAIT)
            yield "OK"
    except grpc.RpcError as error:
        yield error.code().name  # type: ignore[attr-defined]


def memory(process: int) -> float:
    """Resident memory in MiB."""
    found = re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def flooded(address: str, asked: Iterator[Request], bystander: Bystander) -> tuple[Counter[str], int]:
    """Send all of them by turns; the statuses that they had, and how many connections of raw bytes there were."""
    codes, connections, draw = Counter[str](), 0, random.Random(1)
    port = int(address.rpartition(":")[2])
    with grpc.insecure_channel(address) as channel:
        bystander.beside, until = True, time.perf_counter() + SENT
        for number, (path, content) in enumerate(asked):
            codes.update(send(channel, path, content))
            if number % RAW == 0:
                raw(port, draw)
                connections += 1
            if time.perf_counter() > until:
                bystander.beside = False
                time.sleep(PAUSED)
                bystander.beside, until = True, time.perf_counter() + SENT
        bystander.beside = False
    return codes, connections


def run(out: Path, count: Annotated[int, typer.Option("--requests", help="How many.")] = 100_000) -> None:
    """Send them, and write what came of it; exit code 1 unless all of it held."""
    known = shapes(min(SHAPES, count))
    with TemporaryDirectory() as name, server_beside(tiny_index(Path(name), INSTANCES)) as address:
        process, bystander = server_process(), Bystander(address)
        bystander.start()
        flooded(address, iter(known), bystander)  # what is loaded and made at first use is there from now on
        bystander.seconds[True].clear()
        before = memory(process)
        codes, connections = flooded(address, requests(count, known, random.Random(0)), bystander)
        time.sleep(PAUSED)
        after, alive = memory(process), bystander.is_alive()
        bystander.end()
    alone, beside = (float(np.percentile(bystander.seconds[each], 99)) for each in (False, True))
    faults = {name: codes[name] for name in sorted({each.name for each in OURS} & set(codes))}
    held = alive and not faults and after <= GROWTH * before and beside <= BESIDE * alone
    found = {
        "requests": count, "raw_connections": connections, "statuses": dict(codes.most_common()), "faults": faults,
        "alive": alive, "rss_mib": {"before": round(before, 1), "after": round(after, 1)},
        "bystander_p99_ms": {"alone": round(1e3 * alone, 2), "beside": round(1e3 * beside, 2), "ratio": round(beside / alone, 2)},
        "bystander_calls": {"alone": len(bystander.seconds[False]), "beside": len(bystander.seconds[True])}, "held": held,
    }  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=1) + "\n")
    typer.echo(json.dumps(found))
    raise typer.Exit(not held)
