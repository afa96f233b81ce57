"""Threads are given in turn: nobody's calls wait for all that others ask, and what is given comes back whatever happens."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from attridex.service.calls.turns import WAITING, Turns
from attridex.service.errors import OverloadedError

WAIT = 20  # seconds after which a test that hangs fails


def run(body: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(body(), WAIT))


async def settled(turns: Turns) -> None:
    """Wait until no thread is at work."""
    while turns.busy:
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("clients", [1, 2, 4, 8])
def test_a_newcomer_is_served_while_others_hold_all_that_they_may(clients: int) -> None:
    async def body() -> None:
        turns, release = Turns(16, "look-up"), threading.Event()
        held = [asyncio.ensure_future(turns.run(f"c{c}", lambda: release.wait(WAIT))) for c in range(clients) for _ in range(20)]
        await asyncio.sleep(0)
        assert await turns.run("new", lambda: 7) == 7
        assert not any(task.done() for task in held)
        release.set()
        assert all(await asyncio.gather(*held))
        await settled(turns)
        turns.close()

    run(body)


def test_queues_are_served_in_turn() -> None:
    async def body() -> None:
        turns, release, order = Turns(1, "look-up"), threading.Event(), list[str]()
        first = asyncio.ensure_future(turns.run("z", lambda: release.wait(WAIT)))
        await asyncio.sleep(0)
        waiting = [asyncio.ensure_future(turns.run(client, lambda client=client: order.append(client))) for client in "aaabc"]  # type: ignore[misc]
        await asyncio.sleep(0)
        release.set()
        await asyncio.gather(first, *waiting)
        assert order == ["a", "b", "c", "a", "a"]
        turns.close()

    run(body)


def test_work_that_fails_and_callers_that_go_give_their_threads_back() -> None:
    async def body() -> None:
        turns, release = Turns(1, "look-up"), threading.Event()

        def fail() -> Any:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await turns.run("a", fail)
        await settled(turns)
        at_work = asyncio.ensure_future(turns.run("a", lambda: release.wait(WAIT)))
        waiting = asyncio.ensure_future(turns.run("a", lambda: 1))
        await asyncio.sleep(0)
        for task in (at_work, waiting):
            task.cancel()
        await asyncio.gather(at_work, waiting, return_exceptions=True)
        assert turns.busy == 1  # the thread is still inside
        release.set()
        assert await turns.run("b", lambda: 2) == 2
        await settled(turns)
        turns.close()

    run(body)


def test_more_than_may_wait_is_refused_with_a_hint_and_a_newcomer_is_not() -> None:
    async def body() -> None:
        turns, release = Turns(1, "look-up"), threading.Event()
        held = [asyncio.ensure_future(turns.run("a", lambda: release.wait(WAIT))) for _ in range(1 + WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError, match="calls wait for the server's look-up threads; try again") as raised:
            await turns.run("a", lambda: None)
        assert raised.value.retry > 0
        other = asyncio.ensure_future(turns.run("b", lambda: 3))
        await asyncio.sleep(0)
        assert not other.done()
        release.set()
        assert await other == 3
        await asyncio.gather(*held)
        turns.close()

    run(body)
