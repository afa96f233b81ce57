"""The serve command: it announces its address, reports health, stops on a signal, and refuses what is unsafe."""

import logging
import signal
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
import typer
from grpc_health.v1 import health_pb2, health_pb2_grpc

from attridex.service.commands import serve
from attridex.v1 import attribution_pb2 as pb
from attridex.v1 import attribution_pb2_grpc as rpc
from tests.processes import running
from tests.service.calls.http2 import Wire, frame

COMMAND = [sys.executable, "-c", "from attridex.client.commands.app import main; main()"]
TALKING = """
import logging
from attridex.client.commands.app import main
from attridex.service.edge import server
from attridex.service.operations import logs

def run_server(*_):
    for _ in range(1000):
        logging.getLogger("attridex").error("x" * 1000)  # a pipe holds less of it
    return True

server.run_server, logs.LAST_SECONDS = run_server, 0.1
main()
"""


def test_it_is_one_command() -> None:
    app = typer.Typer()
    serve.register(app)
    (command,) = app.registered_commands
    assert command.callback is serve.serve


def test_the_serve_command_answers_reports_health_and_stops_on_sigterm(index: Path) -> None:
    command = [*COMMAND, "serve", f"mine={index}", "--listen", "127.0.0.1:0", "--no-model"]
    with running(command) as process:
        assert process.stderr is not None
        address = process.stderr.readline().removeprefix("listening on ").strip()
        with grpc.insecure_channel(address) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            for service in ("", "attridex.v1.AttributionService"):
                answer = health.Check(health_pb2.HealthCheckRequest(service=service))
                assert answer.status == health_pb2.HealthCheckResponse.SERVING
            stub: Any = rpc.AttributionServiceStub(channel)
            assert [info.name for info in stub.ListIndexes(pb.ListIndexesRequest()).indexes] == ["mine"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_bytes_of_clients_are_no_lines_of_the_log(index: Path) -> None:
    with running([*COMMAND, "serve", str(index), "--listen", "127.0.0.1:0", "--no-model"]) as process:
        assert process.stderr is not None
        port = int(process.stderr.readline().rpartition(":")[2])
        with Wire(port) as wire:
            wire.send(frame(7, 0, 0, bytes(4) + b"\x00\x00\x00\x0b" + b"\nforged line\x1b[31m\x85"))  # GOAWAY with words
            wire.ended()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert "forged" not in process.stderr.read()


def test_a_server_whose_log_nobody_reads_ends() -> None:
    with running([sys.executable, "-c", TALKING, "serve", "index"]) as process:
        assert process.wait(60) == 0


@pytest.mark.parametrize("arguments", [["--listen", "0.0.0.0:0"], ["--listen", "nowhere"], ["--tls-cert", "x.pem"]])
def test_an_unsafe_or_wrong_address_is_refused(arguments: list[str], index: Path, attridex: Any) -> None:
    before = logging.getLogger().handlers[:]
    ran = attridex("serve", index, "--no-model", *arguments)
    assert ran.code == 2
    assert ran.err.startswith("error: --")
    assert logging.getLogger().handlers == before
