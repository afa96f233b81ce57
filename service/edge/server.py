"""The composition root: indices, servicers, health, reflection and limits become a running gRPC server."""

import logging
import signal
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from attridex.indexer.errors import AttridexError, InputError
from attridex.service.answering.served import ServedIndex
from attridex.service.edge.admin import AdminServicer
from attridex.service.edge.interceptors import Errors
from attridex.service.edge.security import Tls, address, check_listen
from attridex.service.edge.servicer import AttributionServicer, Indexes
from attridex.service.edge.wellness import Wellness
from attridex.service.encoding.encoder import Encoder
from attridex.service.methods.registry import load_methods
from attridex.service.storage.store import Store
from attridex.v1 import admin_pb2, admin_pb2_grpc, attribution_pb2, attribution_pb2_grpc

ATTRIBUTION = attribution_pb2.DESCRIPTOR.services_by_name["AttributionService"].full_name
ADMIN = admin_pb2.DESCRIPTOR.services_by_name["AdminService"].full_name
GRACE_SECONDS = 10.0
"""How long calls under way may go on after a stop."""
log = logging.getLogger("attridex.service")


@dataclass(frozen=True)
class ServerOptions:
    """How to serve.

    Attributes:
        listen: HOST:PORT; port 0 takes a free one.
        workers: calls that are answered at once; twice as many may wait, more are refused.
        max_message_mb: limit on a message, either way; gRPC takes 2047 at most.
        admin: whether AdminService is offered.
        model: whether the models are loaded.
        verify: whether every file is read and checked first.
        threads: of a scan; as many as there are processors where None.
        watch: seconds after which a change of an index on the disk is followed at the latest; 0 for never by itself.
        mapped: map posting lists instead of reading them checked.
    """

    listen: str = "127.0.0.1:50051"
    workers: int = 16
    max_message_mb: int = 256
    tls: Tls | None = None
    insecure: bool = False
    admin: bool = True
    model: bool = True
    verify: bool = True
    threads: int | None = None
    watch: float = 0.0
    mapped: bool = False


def open_index(
    index: Path,
    name: str,
    *,
    model: bool = True,
    verify: bool = True,
    threads: int | None = None,
    watch: float = 0.0,
    mapped: bool = False,
) -> ServedIndex:
    """Open an index for answering.

    Args:
        index: its directory.
        name: what it is called on the wire.
        model: whether to load the model.
        verify: whether to read and check every file first.
        threads: of a scan; as many as there are processors where None.
        watch: seconds after which a change of the index on the disk is followed at the latest; 0 for never by itself.
        mapped: map posting lists instead of reading them checked.

    Raises:
        InputError, DamagedIndexError: no whole index there, its model has changed, or a method of another package is broken.
    """
    methods = load_methods()
    store = Store(index, verify=verify, mapped=mapped)
    try:
        with store.version() as version:
            encoder = Encoder.load(version.manifest) if model else None
    except BaseException:
        store.close()
        raise
    return ServedIndex(store, encoder, name, methods, threads=threads, watch=watch)


class Server:
    """A gRPC server over indices.

    Attributes:
        port: the port that it listens on.
    """

    def __init__(self, indexes: Mapping[str, ServedIndex], options: ServerOptions) -> None:
        """Bind the address; nothing is answered before `start`.

        Raises:
            InputError: the address cannot be had, or is open to others without TLS.
        """
        check_listen(options.listen, options.tls, options.insecure)
        limits = [(f"grpc.max_{way}_message_length", options.max_message_mb << 20) for way in ("receive", "send")]
        self._indexes = dict(indexes)
        self._server = grpc.server(
            ThreadPoolExecutor(options.workers, "rpc"), interceptors=[Errors()], maximum_concurrent_rpcs=3 * options.workers,
            options=[*limits, ("grpc.so_reuseport", 0)],
        )  # fmt: skip
        self._health = health.HealthServicer()
        self._services = (ATTRIBUTION, ADMIN) if options.admin else (ATTRIBUTION,)
        self._register(Indexes(indexes), options)
        self.port = self._bind(options)

    def _register(self, indexes: Indexes, options: ServerOptions) -> None:
        attribution_pb2_grpc.add_AttributionServiceServicer_to_server(AttributionServicer(indexes), self._server)
        if options.admin:
            admin_pb2_grpc.add_AdminServiceServicer_to_server(AdminServicer(indexes), self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((*self._services, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)

    def _bind(self, options: ServerOptions) -> int:
        try:
            if options.tls:
                return int(self._server.add_secure_port(options.listen, options.tls.credentials()))
            return int(self._server.add_insecure_port(options.listen))
        except RuntimeError:
            raise InputError(f"--listen {options.listen}: the address is in use or not this machine's") from None

    def start(self) -> None:
        """Answer calls and report healthy."""
        self._server.start()
        Wellness(self._tell, ("", *self._services), self._indexes).begin()

    def _tell(self, service: str, served: bool) -> None:
        known = health_pb2.HealthCheckResponse
        self._health.set(service, known.SERVING if served else known.NOT_SERVING)

    def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Refuse new calls, let those under way end, let the indices go."""
        self._health.enter_graceful_shutdown()
        self._server.stop(grace).wait()
        for index in self._indexes.values():
            index.close()


def stop_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set from now on."""
    stopped = threading.Event()

    def stop(number: int, _frame: Any) -> None:
        log.info("signal %d: stopping", number)
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return stopped


def parse_indexes(arguments: list[str]) -> dict[str, Path]:
    """NAME=DIR or DIR arguments by name; a directory that exists is a DIR, whatever its name.

    Raises:
        InputError: a name is empty, or stands twice.
    """
    found: dict[str, Path] = {}
    for argument in arguments:
        name, separator, directory = argument.partition("=")
        if not separator or Path(argument).is_dir():
            name, directory = Path(argument).resolve().name, argument
        if not name or not directory:
            raise InputError(f"'{argument}': write DIR, or NAME=DIR with both of them")
        if name in found:
            raise InputError(f"two indices named '{name}'; write NAME=DIR to name them apart")
        found[name] = Path(directory)
    return found


def run_server(arguments: list[str], options: ServerOptions, announce: Callable[[str], None]) -> None:
    """Open indices, serve until a signal; `announce(address)` is called once calls are answered."""
    paths = parse_indexes(arguments)
    check_listen(options.listen, options.tls, options.insecure)
    opened: dict[str, ServedIndex] = {}
    try:
        for name, path in paths.items():
            opened[name] = open_index(
                path, name, model=options.model, verify=options.verify, threads=options.threads,
                watch=options.watch, mapped=options.mapped,
            )  # fmt: skip
        server = Server(opened, options)
    except AttridexError:
        for index in opened.values():
            index.close()
        raise
    stopped = stop_signals()  # before the address is known: a signal may follow at once
    server.start()
    announce(address(options.listen, server.port))
    stopped.wait()
    server.stop()
