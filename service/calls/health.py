"""grpc.health.v1.Health on the event loop alone: it is answered whatever the threads do, and waits for no watcher."""

import asyncio

from grpc_health.v1 import health_pb2 as pb

from attridex.service.calls.live import Behaviour, LiveCall
from attridex.service.calls.wire import parsed
from attridex.service.errors import UnknownIndexError

SERVICE = pb.DESCRIPTOR.services_by_name["Health"].full_name
SERVING, NOT_SERVING = pb.HealthCheckResponse.SERVING, pb.HealthCheckResponse.NOT_SERVING


class Health:
    """Whether services are served."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._status: dict[str, pb.HealthCheckResponse.ServingStatus] = {}
        self._changed = asyncio.Event()
        self._stopped = self._ended = False

    @property
    def methods(self) -> dict[str, Behaviour]:
        """What answers its methods."""
        return {f"/{SERVICE}/Check": self._check, f"/{SERVICE}/Watch": self._watch}

    def tell(self, service: str, served: bool) -> None:
        """Say whether a service is served; after a stop none is."""
        self._status[service] = SERVING if served and not self._stopped else NOT_SERVING
        self._tell()

    def stop(self) -> None:
        """Say of all that they are not served, and never are again."""
        self._stopped = True
        self._status = dict.fromkeys(self._status, NOT_SERVING)
        self._tell()

    def end(self) -> None:
        """End the calls of those who watch."""
        self._ended = True
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _check(self, call: LiveCall) -> None:
        name = await _service(call)
        if name not in self._status:
            raise UnknownIndexError(f"service: no service '{name[:100]}' here", "service")
        await call.write(pb.HealthCheckResponse(status=self._status[name]).SerializeToString())

    async def _watch(self, call: LiveCall) -> None:
        with call.streaming():
            await self._watched(call, await _service(call))

    async def _watched(self, call: LiveCall, name: str) -> None:
        """Say how a service is, and again whenever that changes."""
        said = None
        while not self._ended:
            changed, status = self._changed, self._status.get(name, pb.HealthCheckResponse.SERVICE_UNKNOWN)
            if status != said:
                said = status
                await call.write(pb.HealthCheckResponse(status=status).SerializeToString())
            else:
                await changed.wait()  # a stop is a change


async def _service(call: LiveCall) -> str:
    """The service that is asked about."""
    return str(parsed(pb.HealthCheckRequest, await call.read() or b"").service)
