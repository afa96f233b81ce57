"""The second port: /metrics, /healthz and /readyz over HTTP, by the standard library's server."""

import json
import logging
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from attridex.indexer.errors import InputError

CONNECTIONS = 32
"""At once; one more is closed."""
PATIENCE = 10
"""Seconds that a client may take with its request, and to take its answer."""
log = logging.getLogger("attridex.service")


class Answer(NamedTuple):
    """What a page is answered with."""

    status: int
    kind: str
    body: bytes


Page = Callable[[str], Answer]
"""Gives a page; takes the Accept header."""


def told(ok: bool, said: Mapping[str, Any]) -> Answer:
    """A probe's answer: 200 or 503, with what is known."""
    return Answer(200 if ok else 503, "application/json", json.dumps(said).encode() + b"\n")


class Web:
    """A small HTTP server in threads of its own.

    Attributes:
        port: that it listens on.
    """

    def __init__(self, listen: str, pages: Mapping[str, Page]) -> None:
        """Answer these paths from now on.

        Raises:
            InputError: the address is not HOST:PORT, or cannot be had.
        """
        host, _, port = listen.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise InputError(f"--operations {listen}: write HOST:PORT, as 127.0.0.1:9464")
        try:
            self._server = _Server((host.strip("[]"), int(port)), pages)
        except OSError as error:
            raise InputError(f"--operations {listen}: {error.strerror or error}") from None
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="operations", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    """Has so many threads at most."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, place: tuple[str, int], pages: Mapping[str, Page]) -> None:
        """Bind the address."""
        import socket

        self.address_family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
        self.pages = dict(pages)
        self._room = threading.Semaphore(CONNECTIONS)
        super().__init__(place, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection in a thread, where there is room."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Give the room back afterwards."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log it; clients that go away are none of our faults."""
        log.debug("operations: %s went away", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD."""

    timeout = PATIENCE
    server_version, sys_version = "attridex", ""
    server: _Server

    def do_GET(self) -> None:
        """A page."""
        path = self.path.partition("?")[0]
        page = self.server.pages.get(path)
        if page is None:
            answer = told(False, {"error": f"no such page; there are {', '.join(sorted(self.server.pages))}"})._replace(
                status=404
            )
        else:
            answer = page(self.headers.get("Accept", ""))
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(answer.body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log it where everything is logged."""
        log.debug("operations: " + format, *arguments)
