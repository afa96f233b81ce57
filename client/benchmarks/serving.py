"""The served path: a server in a process of its own, the client in this one."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import grpc

from attridex.client import Client, Query
from attridex.client.benchmarks.measure import Figure, figure, milliseconds, seconds
from attridex.client.benchmarks.scene import OPT_125M, configuration, forward, forward_and_backward, scene, texts
from attridex.client.serving import server_beside
from attridex.indexer.building.build import build
from attridex.indexer.signing.signer import Signer
from attridex.indexer.tasks.instance_batches import collate

INSTANCES, WORDS = 64, 63
ECHO = """
import sys, time, grpc
from concurrent.futures import ThreadPoolExecutor
class Echo(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: request)
server = grpc.server(ThreadPoolExecutor(4))
server.add_generic_rpc_handlers((Echo(),))
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
sys.stdin.read()
"""


def served_queries(repeats: int) -> Iterator[Figure]:
    """Overhead of gRPC, of a text's way to its answer, and the work left for a text that was asked before."""
    with scene(OPT_125M, texts(INSTANCES, WORDS, WORDS)) as directory:
        for scope in ("head", "linear"):
            config = configuration(directory, gradients={"parameters": scope, "dim": 4096}, neurons={"enabled": False})
            index = directory / scope
            build(config, index, show_progress=False)
            with server_beside(index) as address, Client(address) as client:
                if scope == "head":
                    yield grpc_overhead(client, index, repeats)
                signer = Signer.load(config)
                yield from text_queries(client, signer, scope, repeats)


def grpc_overhead(client: Client, index: Path, repeats: int) -> Figure:
    """A call over the socket less the same call in process; beside it, an echo of as many bytes."""
    query = [Query.instance("t7")]
    with Client.local(index, model=False) as local, echo_call(2048) as call:
        rounds = 200 * repeats
        pairs = [
            (seconds(lambda: client.attribute_instances(query)), seconds(lambda: local.attribute_instances(query)), seconds(call))
            for _ in range(rounds + 20)
        ][20:]
    words = "the same call in process; beside it, a unary echo of 2 KiB"
    extra = [max(0.0, over - within) for over, within, _ in pairs]
    return milliseconds("gRPC overhead", extra, words, target=1.0, floor=[echoed for _, _, echoed in pairs])


def text_queries(client: Client, signer: Signer, scope: str, repeats: int) -> Iterator[Figure]:
    """Texts asked for the first time against the model's own pass over each; then the same texts again.

    Args:
        client: of the server.
        signer: passes a text through the model.
        scope: of the gradients: "head" or "linear".
        repeats: six texts each.
    """
    fresh = texts(6 * repeats + 3, WORDS, WORDS, seed=5)
    pairs: list[tuple[float, float]] = []
    again: list[float] = []
    for number, text in enumerate(fresh):
        record = {"text": text, "label": "neutral"}
        own = seconds(partial(client.attribute_instances, [record]))
        pairs.append((own, seconds(partial(plain_pass, signer, record, scope))))
        if number % 3 == 0:
            again.append(client.attribute_instances([record]).info.timings.encode)
    pairs = pairs[3:]
    words = "the model's own forward pass" + (" and backward pass" if scope == "linear" else "") + " over the text"
    ratios = [mine / least for mine, least in pairs]
    yield figure(f"served text query, {scope}", words, "x floor", 1.3, ratios, pairs)
    yield milliseconds(f"asked again, model work, {scope}", again, "a cached text costs no model work", target=0.0)


def plain_pass(signer: Signer, record: dict[str, str], scope: str) -> None:
    """A bare pass over one text."""
    batch = collate([signer.render(record, "query")], signer.loaded.pad, signer.loaded.device)
    if scope == "head":
        forward(signer.arch, batch.tokens)
    else:
        forward_and_backward(signer, batch)


@contextmanager
def echo_call(size: int) -> Iterator[Callable[[], object]]:
    """A call to an echo server in a process of its own."""
    command = [sys.executable, "-c", ECHO]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = int(process.stdout.readline()) if process.stdout else 0
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                call = channel.unary_unary("/echo/Echo", bytes, bytes)
                payload = b"x" * size
                yield lambda: call(payload)
        finally:
            process.terminate()
