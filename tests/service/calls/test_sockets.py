"""Sockets below gRPC: of all connections to a Unix socket those are ended whose clients read nothing."""

import asyncio
import os
import socket
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

from attridex.service.calls.sockets import hang_up


def talk(connection: socket.socket) -> None:
    """Send until the connection is ended: more than a socket holds."""
    with suppress(OSError):
        while True:
            connection.sendall(bytes(1 << 20))


def listen(connection: socket.socket, over: threading.Event) -> None:
    """Read, slowly."""
    while not over.wait(0.005) and connection.recv(1 << 16):
        pass


def test_a_client_that_reads_nothing_is_ended_and_one_that_reads_a_large_answer_is_not(tmp_path: Path) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket(socket.AF_UNIX))
        server.bind(str(tmp_path / "socket"))
        server.listen()
        over, sides, threads = threading.Event(), list[tuple[socket.socket, socket.socket]](), list[threading.Thread]()
        for _ in range(2):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(str(tmp_path / "socket"))
            sides.append((client, stack.enter_context(server.accept()[0])))
            threads.append(threading.Thread(target=talk, args=(sides[-1][1],), daemon=True))
        (deaf, _), (reader, answering) = sides
        threads.append(threading.Thread(target=listen, args=(reader, over), daemon=True))
        for thread in threads:
            thread.start()
        before = len(os.listdir("/proc/self/fd"))
        assert asyncio.run(hang_up("unix:"))
        assert len(os.listdir("/proc/self/fd")) == before
        threads[0].join(60)
        assert not threads[0].is_alive()
        assert threads[1].is_alive()
        assert reader.recv(1)
        over.set()
        answering.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(60)
        assert deaf.recv(1), "what was sent before it was ended can be read"
