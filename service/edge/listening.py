"""The gRPC server itself, on an event loop: everything here runs on that loop, and nothing here waits for a thread."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Self

from attridex.indexer.errors import InputError
from attridex.service.access.access import Access
from attridex.service.calls import health, reflection
from attridex.service.calls.live import Activity, Behaviour, LiveCall, handlers
from attridex.service.calls.steady import SteadyServer
from attridex.service.calls.turns import Turns
from attridex.service.edge.admin import AdminServicer
from attridex.service.edge.options import ServerOptions
from attridex.service.edge.routes import Routes
from attridex.service.edge.servicer import AttributionServicer, Indexes
from attridex.service.operations.witness import Witness
from attridex.service.rights import ADMIN as ADMIN_ROLE
from attridex.service.rights import QUERY
from attridex.v1 import admin_pb2, attribution_pb2

ATTRIBUTION = attribution_pb2.DESCRIPTOR.services_by_name["AttributionService"]
ADMIN = admin_pb2.DESCRIPTOR.services_by_name["AdminService"]
MODEL_THREADS = 4
"""Threads that may wait for the model, for each that looks up."""
LAST_SECONDS = 5.0
"""How long threads may take to notice that nobody waits for them any more."""


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
        services = (ATTRIBUTION, ADMIN) if options.admin else (ATTRIBUTION,)
        names = [service.full_name for service in services]
        self.services, self.health = ("", *names), health.Health()
        self._activity, self._witness = Activity(), witness
        lookups, model = (
            Turns(threads, name, options.limits.calls)
            for threads, name in ((options.workers, "look-up"), (MODEL_THREADS * options.workers, "model"))
        )
        self._routes = Routes(lookups, model, self._activity, options.limits, witness)
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
        administration = routes.unary(ADMIN, AdminServicer(indexes), changes=True) if options.admin else {}
        return self._admitted(QUERY, found) | self._admitted(ADMIN_ROLE, administration)

    def _admitted(self, role: str, methods: Mapping[str, Behaviour]) -> dict[str, Behaviour]:
        """The same methods, for those who have a role; "" is any."""

        def behind(behaviour: Behaviour) -> Behaviour:
            async def answer(call: LiveCall) -> None:
                call.admission = lambda: self._access.admit(role, call.authorization, call.certified)
                call.admit()
                await behaviour(call)

            return answer

        return {name: behind(behaviour) for name, behaviour in methods.items()}

    def _bind(self, options: ServerOptions) -> int:
        try:
            if options.tls:
                port = int(self._server.add_secure_port(options.listen.encode(), options.tls.credentials()))
            else:
                port = int(self._server.add_insecure_port(options.listen.encode()))
        except RuntimeError:
            port = 0
        if not port:
            raise InputError(f"--listen {options.listen}: the address is in use or not this machine's")
        return port

    @property
    def pools(self) -> tuple[Turns, Turns]:
        """The threads that answer."""
        return self._routes.lookups, self._routes.model

    async def start(self) -> None:
        """Answer calls."""
        await self._server.start()

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
        await closing
        return await self._threads_ended()

    async def _threads_ended(self) -> bool:
        pools = self.pools
        last = asyncio.get_running_loop().time() + LAST_SECONDS
        while any(pool.busy for pool in pools) and asyncio.get_running_loop().time() < last:
            await asyncio.sleep(0.02)
        for pool in pools:
            pool.close()
        return not any(pool.busy for pool in pools)
