"""The composition root: indices and options become a running server, which a signal ends."""

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from attridex.indexer.errors import AttridexError, InputError
from attridex.indexer.held.memory import parse_size
from attridex.indexer.remote.urls import url_of
from attridex.service.access.access import Access
from attridex.service.answering.served import ServedIndex
from attridex.service.calls.places import hide, show
from attridex.service.edge.listening import LAST_SECONDS, Edge
from attridex.service.edge.operating import Operating
from attridex.service.edge.options import GRACE_SECONDS, ServerOptions
from attridex.service.edge.security import Certificates, address, check_admin, check_listen, warn_of_tokens
from attridex.service.edge.servicer import Indexes
from attridex.service.edge.spreading import check_alone, check_divides, spread_of
from attridex.service.edge.wellness import Wellness
from attridex.service.encoding.cache import CACHE_BYTES
from attridex.service.encoding.encoder import Encoder
from attridex.service.methods.registry import load_methods
from attridex.service.operations.pauses import settled
from attridex.service.search.planner import MASK_BYTES
from attridex.service.search.scan import scan_bytes
from attridex.service.storage.far import Spread
from attridex.service.storage.memory import Memory
from attridex.service.storage.roots import Roots
from attridex.service.storage.store import Store

if TYPE_CHECKING:
    from attridex.indexer.remote.reading import Mirror
    from attridex.service.groups.groups import Groups

Result = TypeVar("Result")
ALIVE_SECONDS = 2.0
"""How long the loop may take to answer a probe."""
STOP_SECONDS = 3 * LAST_SECONDS
"""How long a stop may take beyond its grace."""
log = logging.getLogger("attridex.service")


def open_index(
    index: Path,
    name: str,
    *,
    model: bool | str = True,
    verify: bool = True,
    threads: int | None = None,
    watch: float = 0.0,
    mapped: bool = False,
    roots: Roots | None = None,
    own_code: bool = True,
    memory: Memory | None = None,
    spread: Spread | None = None,
    search_device: str = "cpu",
) -> ServedIndex:
    """Open an index for answering.

    Args:
        index: its directory, or the URL of its root in object storage, which is followed.
        name: what it is called on the wire.
        model: whether to load the model; or where it lies now.
        verify: whether to read and check every file first.
        threads: of a scan; as many as there are processors where None.
        watch: seconds after which a change of the index on the disk is followed at the latest; 0 for never by itself.
        mapped: map posting lists instead of reading them checked.
        roots: where it, and what it names, may lie.
        own_code: whether Python code that lies beside its model may run.
        memory: that the process may have with it; as much as it takes where None.
        spread: holds its vectors elsewhere; in this process where None.
        search_device: where they are searched otherwise: "cpu", "cuda:N", or "auto".

    Raises:
        InputError, DamagedIndexError: no whole index there, its model has changed, too little memory, or a method of another
            package is broken.
    """
    methods = load_methods()
    source = mirror_of(index)
    directory = source.directory if source else index
    try:
        if search_device != "cpu":
            from attridex.service.devices.loading import chosen_device

            spread = spread or chosen_device(search_device, directory, verify=verify)
        store = Store(
            directory, verify=verify, mapped=mapped, roots=roots, model=model, own_code=own_code,
            spread=spread, source=source, memory=memory,
        )  # fmt: skip
    except BaseException:
        if source:
            source.close()
        raise
    masks = memory.limit // 64 if memory else MASK_BYTES
    try:
        with store.version() as version:
            if model:
                store.opening.check_code(version.manifest.config)
            encoder = Encoder.load(version.manifest, store.opening.place) if model else None
        if memory:
            store.keep_within(memory.settled(masks + scan_bytes(threads) + (CACHE_BYTES if encoder else 0)))
    except BaseException:
        store.close()
        raise
    return ServedIndex(store, encoder, name, methods, threads=threads, watch=watch, masks=masks)


def mirror_of(index: Path) -> "Mirror | None":
    """What fetches an index that a URL names, and follows it; None for a directory."""
    url = url_of(index)
    if url is None:
        return None
    from attridex.indexer.remote.reading import Mirror

    return Mirror(url, show_progress=True)


class Server:
    """A gRPC server over indices, on an event loop in a thread of its own.

    Attributes:
        port: the port that it listens on.
    """

    def __init__(self, indexes: Mapping[str, ServedIndex], options: ServerOptions, operating: Operating | None = None) -> None:
        """Bind the address; nothing is answered before `start`.

        Args:
            indexes: by name.
            options: how to serve them.
            operating: is told of every call.

        Raises:
            InputError: the address cannot be had, or is open to others without TLS.
        """
        check_listen(options.listen, options.tls, options.insecure)
        check_admin(options.listen, options.tokens, options.insecure_admin)
        warn_of_tokens(options.listen, options.tls, options.tokens)
        self._indexes, self._operating = dict(indexes), operating or Operating()
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(report)
        self._thread = threading.Thread(target=self._loop.run_forever, name="edge", daemon=True)
        self._thread.start()
        try:
            self._edge = self._await(Edge.bind(Indexes(indexes), options, self._operating.witness))
        except BaseException:
            self._end_loop()
            raise
        self.port = self._edge.port
        self._places: dict[Path | str, str] = {}
        self._hide()

    def _await(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def start(self) -> None:
        """Answer calls and report healthy."""
        self._await(self._edge.start())
        Wellness(self._tell, self._edge.services, self._indexes).begin(self._hide)
        self._operating.begin(self._indexes, lambda: self._edge.pools, self.alive, lambda: self._edge.days_left)

    def _hide(self) -> None:
        """Tell clients no place of the indices as they are now; called by any thread."""
        self._places = self._places | {path: name for index in self._indexes.values() for path, name in index.places.items()}
        hide(self._places)

    def alive(self) -> bool:
        """Whether the loop runs: it is given something to do, and has two seconds for it."""
        done = threading.Event()
        if self._loop.is_closed():
            return False
        self._loop.call_soon_threadsafe(done.set)
        return done.wait(ALIVE_SECONDS)

    def _tell(self, service: str, served: bool) -> None:
        """Have Health say so; called by any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._edge.health.tell, service, served)

    def stop(self, grace: float = GRACE_SECONDS) -> bool:
        """Refuse new calls, let those under way end, stop what is left, let the indices go; whether all of it ended."""
        if self._loop.is_closed():
            return True
        self._operating.stop()
        stopping = asyncio.run_coroutine_threadsafe(self._edge.stop(grace), self._loop)
        try:
            quiet = stopping.result(grace + STOP_SECONDS)
        except TimeoutError:
            stopping.cancel()
            log.error("the event loop does not answer; the server ends without it")
            return False
        self._end_loop()
        if quiet:  # else a thread reads what would be closed
            ended = [index.close(LAST_SECONDS) for index in self._indexes.values()]
            quiet = all(ended)
        show(self._places)
        return quiet

    def _end_loop(self) -> None:
        self._await(tasks_ended())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop.set_exception_handler(None)  # gRPC's thread keeps the loop, and would keep all modules with this function


async def tasks_ended() -> None:
    """Let what is left on the running loop come to its end: a call that was stopped has yet to notice."""
    if left := asyncio.all_tasks() - {asyncio.current_task()}:
        _, late = await asyncio.wait(left, timeout=LAST_SECONDS)
        for task in late:
            log.error("still on the loop: %r", task)


def report(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what went wrong on the loop; gRPC wakes every loop of a process for the events of each, which is no fault."""
    if not isinstance(context.get("exception"), BlockingIOError):
        log.error("%s", context["message"], exc_info=context.get("exception"))


def stop_signals() -> socket.socket:
    """What has a byte to read once SIGTERM or SIGINT came, from now on.

    The system may hand a signal to any thread; that wakes no main thread that waits for a lock, but does one that waits to read.
    """
    woken, wake = socket.socketpair()
    wake.setblocking(False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: log.info("signal %d: stopping", number))
    signal.set_wakeup_fd(wake.detach(), warn_on_full_buffer=False)
    return woken


def parse_indexes(arguments: list[str]) -> dict[str, Path]:
    """NAME=DIR or DIR arguments by name; a directory that exists is a DIR, whatever its name. Each may be a URL.

    Raises:
        InputError: a name is empty, or stands twice.
    """
    found: dict[str, Path] = {}
    for argument in arguments:
        name, separator, directory = argument.partition("=")
        if not separator or Path(argument).is_dir() or url_of(argument):
            name, directory = Path(argument).resolve().name, argument
        if not name or not directory:
            raise InputError(f"'{argument}': write DIR, or NAME=DIR with both of them")
        if name in found:
            raise InputError(f"two indices named '{name}'; write NAME=DIR to name them apart")
        found[name] = Path(directory)
    return found


def parse_models(arguments: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """NAME=PLACE or PLACE arguments, the latter of the only index, by the index's name.

    Raises:
        InputError: an index is not served, or is not named though several are.
    """
    found: dict[str, str] = {}
    for argument in arguments:
        name, separator, place = argument.partition("=")
        if not separator or Path(argument).is_dir():
            name, place = names[0] if len(names) == 1 else "", argument
        if name not in names or not place or name in found:
            raise InputError(f"--model {argument}: write NAME=PATH, once an index, where NAME is one of {', '.join(names)}")
        found[name] = place
    return found


def run_server(arguments: list[str], options: ServerOptions, announce: Callable[[str], None]) -> bool:
    """Open indices, serve until a signal; whether all work has ended: else to end the interpreter would wait for it.

    Args:
        arguments: NAME=DIR, or DIR.
        options: how to serve them.
        announce: is called with a line for each port, the last once calls are answered.

    Raises:
        InputError: something cannot be used as it is.
        DamagedIndexError: there is no whole index.
    """
    paths = parse_indexes(arguments)
    models = parse_models(options.models, list(paths))
    if models and not options.model:
        raise InputError("give one of --model and --no-model")
    check_listen(options.listen, options.tls, options.insecure)
    check_admin(options.listen, options.tokens, options.insecure_admin)
    Access(options.tokens)  # what is wrong with the files is said before indices are opened
    if options.tls:
        Certificates(options.tls)
    check_alone(options, paths)
    with spread_of(options) as spread:
        return run_opened(paths, models, options, spread, announce)


def run_opened(
    paths: Mapping[str, Path],
    models: Mapping[str, str],
    options: ServerOptions,
    spread: "Groups | None",
    announce: Callable[[str], None],
) -> bool:
    """See `run_server`.

    Args:
        paths: of the indices, by name.
        models: where those of some lie now.
        options: how to serve them.
        spread: holds their vectors elsewhere.
        announce: is called with a line for each port.
    """
    memory = parse_size(options.memory, "--memory") if options.memory else None
    roots = Roots(options.roots)
    opened: dict[str, ServedIndex] = {}
    operating = Operating(options.operations, options.audit, options.traces, verified=options.verify)
    if spread:
        operating.watch_replicas(spread.there)
    if operating.port:
        announce(f"metrics and probes on {address(options.operations, operating.port)}")
    try:
        for number, (name, path) in enumerate(paths.items()):
            opened[name] = open_index(
                path, name, model=models.get(name, options.model), verify=options.verify, threads=options.threads,
                watch=options.watch, mapped=options.mapped, roots=roots, own_code=options.own_code, spread=spread,
                memory=Memory(memory, len(paths) - number) if memory else None, search_device=options.search_device,
            )  # fmt: skip
            check_divides(opened[name], options)
            if memory:
                with opened[name].store.version() as version:
                    announce(f"{name}: {version.places}")
        server = Server(opened, options, operating)
    except AttridexError:
        operating.close()
        for index in opened.values():
            index.close()
        raise
    with settled():
        stopped = stop_signals()  # before the address is known: a signal may follow at once
        server.start()
        announce(f"listening on {address(options.listen, server.port)}")
        stopped.recv(1)
        ended = server.stop(options.grace)
    if not ended:  # a thread is inside a pass of the model, or a query, that nobody waits for
        log.warning("stopped while a pass of work was under way")
    return operating.close() and ended
