"""grpc.reflection.v1alpha on the event loop: grpc's own answers, in a stream that ends like any other."""

from collections.abc import Sequence
from typing import Any

from grpc_reflection.v1alpha import reflection_pb2 as pb
from grpc_reflection.v1alpha.reflection import ReflectionServicer

from attridex.service.calls.live import Activity, Behaviour, LiveCall
from attridex.service.calls.stream import LiveStream
from attridex.service.calls.wire import parsed

SERVICE = pb.DESCRIPTOR.services_by_name["ServerReflection"].full_name
METHOD = f"/{SERVICE}/ServerReflectionInfo"


def behaviour(names: Sequence[str], activity: Activity) -> Behaviour:
    """What answers questions about some services, and this one."""
    servicer: Any = ReflectionServicer([*names, SERVICE])

    async def run(call: LiveCall) -> None:
        async def answer(data: bytes) -> bytes:
            call.count()
            request = parsed(pb.ServerReflectionRequest, data)
            (response,) = servicer.ServerReflectionInfo(iter([request]), None)
            return bytes(response.SerializeToString())

        await LiveStream(call, answer, activity).run()

    return run
