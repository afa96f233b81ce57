"""The asyncio client is the blocking one, awaited."""

import asyncio
import inspect
from typing import Any

import pytest

from attridex.client import AsyncClient, Client, Query
from attridex.client.administration import AdminClient, AsyncAdminClient
from attridex.v1 import attribution_pb2 as pb
from attridex.v1.answers import NeuronsAnswer
from attridex.v1.requests import AttributeNeuronsRequest
from tests.client.generate_async import CLIENT, FILES, asynchronous
from tests.client.stubs import AsyncStub, Stub, async_client_of, client_of

ASYNC: dict[type[Any], type[Any]] = {Client: AsyncClient, AdminClient: AsyncAdminClient}
CALLS = [
    (kind, name)
    for kind in ASYNC
    for name, _ in inspect.getmembers(kind, inspect.isfunction)
    if name == "__init__" or not name.startswith("_")
]


@pytest.mark.parametrize(("name", "made"), FILES.items())
def test_the_committed_file_is_that_of_the_generator(name: str, made: str) -> None:
    assert (CLIENT / made).read_text() == asynchronous((CLIENT / name).read_text(), name), f"client/{made}: run `make async`"


@pytest.mark.parametrize(("kind", "name"), CALLS)
def test_signatures_and_words_agree(kind: type[Any], name: str) -> None:
    blocking, awaited = getattr(kind, name), getattr(ASYNC[kind], name)
    left, right = inspect.signature(blocking), inspect.signature(awaited)
    assert left.parameters == right.parameters
    assert str(right.return_annotation).replace("AsyncIterator", "Iterator") == str(left.return_annotation)
    assert inspect.getdoc(blocking) == inspect.getdoc(awaited)


async def ask(client: Any) -> None:
    await client.attribute_instances([Query.instance("t3")], method="bm25", k=3)
    await client.get_index()
    assert [each async for each in client.list_instances(page_size=2)] == []
    request = AttributeNeuronsRequest((Query.instance("t3"),))
    found = [pair async for pair in client.stream([(4, request)])]
    assert [(number, type(answer)) for number, answer in found] == [(4, NeuronsAnswer)]


def test_it_sends_the_same_messages() -> None:
    response = pb.AttributeStreamResponse(attribute_neurons=pb.AttributeNeuronsResponse())
    awaited, blocking = AsyncStub(AttributeStream=response), Stub(AttributeStream=response)

    async def run() -> None:
        async with async_client_of(awaited, "mine") as client:
            await ask(client)

    asyncio.run(run())
    client = client_of(blocking, "mine")
    client.attribute_instances([Query.instance("t3")], method="bm25", k=3)
    client.get_index()
    list(client.list_instances(page_size=2))
    list(client.stream([(4, AttributeNeuronsRequest((Query.instance("t3"),)))]))
    assert awaited.sent == blocking.sent
