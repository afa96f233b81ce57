"""gRPC's server for asyncio, made steady: one call whose path is no UTF-8 would end it (grpcio 1.85).

It decodes the path of every call to a method that was not registered, in the loop that takes all calls. So methods are
registered here, and calls of any other are taken and refused beside that loop, their paths unread.
"""

import asyncio
from typing import NoReturn

from grpc._cython import cygrpc

from attridex.service.calls.live import Handlers


class SteadyServer(cygrpc.AioServer):  # type: ignore[misc]
    """A server of registered methods, on the running loop."""

    def __init__(self, options: list[tuple[str, int]], handlers: Handlers) -> None:
        """Serve these methods.

        Args:
            options: of the channel.
            handlers: of each method.
        """
        super().__init__(asyncio.get_running_loop(), None, (), (), tuple(options), None)
        self.add_registered_method_handlers(dict(handlers))
        self._unknown = cygrpc._MethodResolver([], {})
        self._refusals: set[asyncio.Task[None]] = set()

    async def _request_call(self) -> NoReturn:
        """Refuse calls of methods that are not registered, until the server stops; called by gRPC's own loop."""
        loop = asyncio.get_running_loop()
        while True:
            call = await super()._request_call()
            refusal = cygrpc._handle_rpc("", self._unknown, (), call, loop, False)
            task = loop.create_task(cygrpc._schedule_rpc_coro(refusal, call, loop, ""))
            self._refusals.add(task)
            task.add_done_callback(self._refusals.discard)
