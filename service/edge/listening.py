"""The gRPC server itself, on an event loop: everything here runs on that loop, and nothing here waits for a thread."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Self

from attridex.indexer.errors import InputError
from attridex.service.access.access import Access
from attridex.service.access.socket_file import SocketFile, path_of
from attridex.service.calls import health, reflection
from attridex.service.calls.live import Activity, Behaviour, LiveCall, handlers
from attridex.service.calls.steady import SteadyServer
from attridex.service.calls.turns import Turns
from attridex.service.edge.admin import AdminServicer
from attridex.service.edge.options import ServerOptions
from attridex.service.edge.routes import Pools, Routes
from attridex.service.edge.security import Certificates
from attridex.service.edge.servicer import AttributionServicer, Indexes
from attridex.service.operations.witness import Witness
from attridex.service.rights import ADMIN as ADMIN_ROLE
from attridex.service.rights import QUERY
from attridex.v1 import admin_pb2, attribution_pb2

ATTRIBUTION = attribution_pb2.DESCRIPTOR.services_by_name["AttributionService"]
ADMIN = admin_pb2.DESCRIPTOR.services_by_name["AdminService"]
MODEL_THREADS = 4
"""Threads that may wait for the model, for each that looks up."""
ADMIN_THREADS = 8
"""Threads of administration: two of a client's, since what mends an index may take hours, and a deletion not wait for it."""
LAST_SECONDS = 5.0
"""How long threads may take to notice that nobody waits for them any more."""
WARN_SECONDS = 86400.0
"""How often the log warns of certificates that expire soon."""
log = logging.getLogger("attridex.access")


class Edge:
    """Indices on a port.

    Attributes:
        port: the port.
        services: names of what is served; "" stands for all of it.
        health: what is said of them.
    """

    def __init__(self, indexes: Indexes, options: ServerOptions, witness: Witness) -> None:
        """Bind the address; made on the loop that serves it.

        Raises:
            InputError: the address cannot be had, or a file of tokens or certificates cannot be used.
        """
        self._access = Access(options.tokens, insecure_admin=options.insecure_admin)
        self._certificates = Certificates(options.tls) if options.tls else None
        self._socket: SocketFile | None = None
        self._warning: asyncio.Task[None] | None = None
        services = (ATTRIBUTION, ADMIN) if options.admin else (ATTRIBUTION,)
        names = [service.full_name for service in services]
        self.services, self.health = ("", *names), health.Health()
        self._activity, self._witness = Activity(options.limits.requests_per_second), witness
        calls = options.limits.calls
        pools = Pools(
            Turns(options.workers, "look-up", calls), Turns(MODEL_THREADS * options.workers, "model", calls),
            Turns(ADMIN_THREADS, "administration", calls),
        )  # fmt: skip
        self._routes = Routes(pools, self._activity, options.limits, witness)
        told = {reflection.METHOD: reflection.behaviour([*names, health.SERVICE], self._activity)}
        methods = {**self.health.methods, **self._admitted("", told), **self._methods(indexes, options)}
        self._server = SteadyServer(options.channel, handlers(methods, options.limits, self._activity, witness))
        self.port = self._bind(options)

    @classmethod
    async def bind(cls, indexes: Indexes, options: ServerOptions, witness: Witness) -> Self:
        """An edge of the running loop; see the constructor."""
        return cls(indexes, options, witness)

    def _methods(self, indexes: Indexes, options: ServerOptions) -> dict[str, Behaviour]:
        servicer, routes = AttributionServicer(indexes, options.limits, self._witness), self._routes
        found = routes.unary(ATTRIBUTION, servicer)
        found[f"/{ATTRIBUTION.full_name}/AttributeStream"] = routes.stream(servicer)
        ranking = routes.blocks(attribution_pb2.RankInstancesRequest, servicer.RankInstances)
        found[f"/{ATTRIBUTION.full_name}/RankInstances"] = ranking
        administration = routes.unary(ADMIN, AdminServicer(indexes, options.limits), changes=True) if options.admin else {}
        return self._admitted(QUERY, found) | self._admitted(ADMIN_ROLE, administration)

    def _admitted(self, role: str, methods: Mapping[str, Behaviour]) -> dict[str, Behaviour]:
        """The same methods, for those who have a role; "" is any."""

        def behind(behaviour: Behaviour) -> Behaviour:
            async def answer(call: LiveCall) -> None:
                call.who = lambda: self._access.asker(call.authorization, call.certified)
                call.check = lambda asker: self._access.check(asker, role)
                call.admit()
                await behaviour(call)

            return answer

        return {name: behind(behaviour) for name, behaviour in methods.items()}

    def _bind(self, options: ServerOptions) -> int:
        if path := path_of(options.listen):
            self._socket = SocketFile(path, options.socket_mode)
        address = f"unix:{self._socket.aside}" if self._socket else options.listen
        try:
            if self._certificates:
                port = int(self._server.add_secure_port(address.encode(), self._certificates.credentials()))
            else:
                port = int(self._server.add_insecure_port(address.encode()))
        except RuntimeError:
            port = 0
        if not port:
            self._leave()
            raise InputError(f"--listen {options.listen}: the address is in use or not this machine's")
        if self._socket:
            self._socket.publish()
        return port

    def _leave(self) -> None:
        """Leave the place of a socket."""
        if self._socket:
            self._socket.close()

    @property
    def days_left(self) -> dict[str, float]:
        """Days until certificates expire, see `Certificates.days_left`; none without TLS."""
        return self._certificates.days_left if self._certificates else {}

    async def _warn(self, certificates: Certificates) -> None:
        """Warn of certificates that expire soon, now and every day."""
        while True:
            for line in certificates.warnings():
                log.warning("%s", line)
            await asyncio.sleep(WARN_SECONDS)

    @property
    def pools(self) -> Pools:
        """The threads that answer."""
        return self._routes.pools

    async def start(self) -> None:
        """Answer calls."""
        await self._server.start()
        if self._certificates:
            self._warning = asyncio.ensure_future(self._warn(self._certificates))

    async def stop(self, grace: float) -> bool:
        """Report so, refuse new calls, let those under way end, and stop what is left; whether all threads ended.

        Args:
            grace: seconds that calls under way may go on.
        """
        self.health.stop()
        self._activity.stop()
        closing = asyncio.ensure_future(self._server.shutdown(grace))  # from now on nobody is let in
        with suppress(TimeoutError):
            await asyncio.wait_for(self._activity.quiet(), grace)
        self.health.end()
        if self._warning:
            self._warning.cancel()
        await closing
        self._leave()
        return await self._threads_ended()

    async def _threads_ended(self) -> bool:
        pools = self.pools
        last = asyncio.get_running_loop().time() + LAST_SECONDS
        while any(pool.busy for pool in pools) and asyncio.get_running_loop().time() < last:
            await asyncio.sleep(0.02)
        for pool in pools:
            pool.close()
        return not any(pool.busy for pool in pools)
