"""Seconds add up, and an answer's are those up to the moment when it is made."""

import time

import pytest

from attridex.service.caller import Caller, Spent, never_cancelled
from attridex.v1.answers import Timings


def test_search_time_adds_up_also_where_the_search_fails() -> None:
    spent = Spent(queue=1.0)
    with spent.searching():
        time.sleep(0.01)
    first = spent.timings
    with pytest.raises(ValueError, match="x"), spent.searching():
        raise ValueError("x")
    assert first.search >= 0.01
    assert spent.timings.search > first.search
    assert (first.queue, first.encode) == (1.0, 0.0)


def test_every_caller_has_seconds_of_its_own() -> None:
    one, other = Caller(), Caller(never_cancelled)
    one.spent.encode = 2.0
    assert other.spent.timings == Timings()
    assert one.checkpoint() is None  # type: ignore[func-returns-value]
