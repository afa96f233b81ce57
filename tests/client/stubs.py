"""A server's stand-in: keeps the messages that a client sends, and answers each call with an empty response."""

from collections.abc import Iterable, Iterator
from typing import Any

from attridex.client import AsyncClient, Client
from attridex.v1 import attribution_pb2 as pb

RESPONSES = {method.name: method.output_type.name for method in pb.DESCRIPTOR.services_by_name["AttributionService"].methods}


class Stub:
    """Has the calls of the generated stub."""

    def __init__(self, **answers: Any) -> None:
        """Answer calls with these responses, others with empty ones."""
        self.sent: list[Any] = []
        self.answers = answers

    def __getattr__(self, method: str) -> Any:
        """A call."""

        def call(message: Any, timeout: float | None = None, **_: Any) -> Any:
            self.sent.append(message)
            return self.answers.get(method) or getattr(pb, RESPONSES[method])()

        return call

    def AttributeStream(self, requests: Iterable[Any], **_: Any) -> Iterator[Any]:  # noqa: N802 - gRPC names methods so
        """Answer each with what "AttributeStream" is answered with."""
        for request in requests:
            self.sent.append(request)
            response = pb.AttributeStreamResponse(sequence=request.sequence)
            response.MergeFrom(self.answers.get("AttributeStream", pb.AttributeStreamResponse()))
            yield response


class AsyncStub(Stub):
    """The same, awaited."""

    def __getattr__(self, method: str) -> Any:
        """A call."""
        found = super().__getattr__(method)

        async def call(message: Any, timeout: float | None = None, **_: Any) -> Any:
            return found(message)

        return call

    async def AttributeStream(self, requests: Iterable[Any], **_: Any) -> Any:  # noqa: N802
        """Answer each."""
        for response in super().AttributeStream(requests):
            yield response


def client_of(stub: Stub, index: str = "") -> Client:
    """A client that asks the stand-in."""
    client = Client("nowhere:1", index=index)
    client._stub = stub
    return client


def async_client_of(stub: AsyncStub, index: str = "") -> AsyncClient:
    """The asyncio client that asks the stand-in; made where a loop runs."""
    client = AsyncClient("nowhere:1", index=index)
    client._stub = stub
    return client
