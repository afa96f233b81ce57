"""A call whose answer could not be written, seen from gRPC's side: it takes no status after that (grpcio 1.85)."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from attridex.service.calls.live import Activity, LiveCall, guarded
from attridex.service.operations.witness import Witness
from attridex.v1.limits import Limits


@pytest.mark.parametrize("writes", [False, True])
def test_a_status_is_sent_unless_an_answer_could_not_be(writes: bool) -> None:
    aborted: list[Any] = []

    async def failed(_data: bytes) -> None:
        raise RuntimeError("the connection has ended")

    async def abort(*status: Any) -> None:
        aborted.append(status)

    context = SimpleNamespace(
        peer=lambda: "unix:", invocation_metadata=lambda: (), auth_context=dict, set_trailing_metadata=lambda _: None,
        time_remaining=lambda: None, write=failed, abort=abort,
    )  # fmt: skip

    async def behaviour(call: LiveCall) -> None:
        if writes:
            await call.write(b"answer")
        raise ValueError("fault")

    async def serve() -> None:
        await guarded(behaviour, LiveCall("/a.B/C", context, Limits(), Activity()), Witness())

    if writes:
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(serve())
    else:
        asyncio.run(serve())
    assert len(aborted) == (not writes)
